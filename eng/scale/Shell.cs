using System.Diagnostics;
using System.Text.Json;

namespace Microsoft.ML.Nlft.Scale;

/// <summary>Runs programs and reads the results that their first process prints.</summary>
internal static class Shell
{
    /// <summary>The prefix of a result line.</summary>
    public const string Mark = "RESULT ";

    private static readonly TimeSpan s_timeout = TimeSpan.FromMinutes(2);

    /// <summary>Returns the path of a program, or null.</summary>
    public static string? Find(string program) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Concat(["/usr/sbin", "/sbin"]).Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);

    /// <summary>Runs a command and returns its results.</summary>
    /// <exception cref="InvalidOperationException">The command failed or timed out.</exception>
    public static IReadOnlyList<T> Run<T>(IReadOnlyList<string> command)
    {
        var start = new ProcessStartInfo(command[0]) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in command.Skip(1)) start.ArgumentList.Add(argument);
        foreach (var allowed in (string[])["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"]) start.Environment[allowed] = "1";
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(s_timeout))
        {
            process.Kill(entireProcessTree: true);
            throw new InvalidOperationException($"no end within {s_timeout}: {string.Join(' ', command)}");
        }
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"exit code {process.ExitCode}: {string.Join(' ', command)}\n{output.Result}\n{errors.Result}");
        // Open MPI gives a process a terminal, for which .NET may print a prefix.
        return [.. output.Result.Split('\n').Where(line => line.Contains(Mark, StringComparison.Ordinal))
            .Select(line => JsonSerializer.Deserialize<T>(line[(line.IndexOf(Mark, StringComparison.Ordinal) + Mark.Length)..])!)];
    }
}
