using System.Diagnostics;
using System.Text.Json;

namespace Microsoft.ML.Nlft.Scale;

/// <summary>Starts programs and reads what their first process prints.</summary>
internal static class Shell
{
    /// <summary>What a result line begins with.</summary>
    public const string Mark = "RESULT ";

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);

    /// <summary>Where a program lies, or null.</summary>
    public static string? Find(string program) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
        .Concat(["/usr/sbin", "/sbin"]).Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);

    /// <summary>Runs a command to its end and reads its results.</summary>
    /// <exception cref="InvalidOperationException">It failed, or took too long.</exception>
    public static IReadOnlyList<T> Run<T>(IReadOnlyList<string> command)
    {
        var start = new ProcessStartInfo(command[0]) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in command.Skip(1)) start.ArgumentList.Add(argument);
        foreach (var allowed in (string[])["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"]) start.Environment[allowed] = "1";
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(s_patience))
        {
            process.Kill(entireProcessTree: true);
            throw new InvalidOperationException($"no end within {s_patience}: {string.Join(' ', command)}");
        }
        process.WaitForExit();
        if (process.ExitCode != 0) throw new InvalidOperationException($"exit code {process.ExitCode}: {string.Join(' ', command)}\n{output.Result}\n{errors.Result}");
        // Open MPI gives a process a terminal, for which .NET may print something first.
        return [.. output.Result.Split('\n').Where(line => line.Contains(Mark, StringComparison.Ordinal)).Select(line => JsonSerializer.Deserialize<T>(line[(line.IndexOf(Mark, StringComparison.Ordinal) + Mark.Length)..])!)];
    }
}
