using System.Diagnostics;

namespace Microsoft.ML.Nlft.Reliability.Torture;

/// <summary>
/// Runs jobs on a small in-memory file system that fills up; with more space they resume. Needs Linux and the right to mount, or user namespaces.
/// </summary>
internal static class FullDisks
{
    /// <summary>Runs a number of jobs with different disk sizes, in processes with their own mounts.</summary>
    /// <returns>The number of failures; null when nothing could be mounted.</returns>
    public static int? Run(Place place, int runs, int seed)
    {
        var random = new Random(seed);
        var (full, wrong) = (0, 0);
        for (var run = 0; run < runs; run++)
        {
            var kilobytes = random.Next(8, 1200);
            using var process = Process.Start(new ProcessStartInfo("unshare")
            {
                ArgumentList = { "--mount", "--map-root-user", "dotnet", typeof(FullDisks).Assembly.Location, "disk", place.Work, place.Model,
                    place.Questions, $"{kilobytes}" },
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            var error = process.StandardError.ReadToEndAsync();
            var said = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            if (process.ExitCode is 1 or 5) return null; // unshare's own refusal, or no mount
            if (process.ExitCode != 0) wrong++;
            if (said.Contains("a full disk", StringComparison.Ordinal)) full++;
            if (process.ExitCode != 0) Console.WriteLine($"    {kilobytes} KiB, exit code {process.ExitCode}: {said} {error.Result}");
        }
        Console.WriteLine(
            $"{runs} runs on small disks, {full} of which filled up: {runs - wrong} reported it, kept the existing files and resumed to the files "
            + "of the uninterrupted run");
        return wrong;
    }

    /// <summary>Runs one job in a process that may mount; returns exit code 0 (passed), 4 (failed) or 5 (no mount).</summary>
    public static int One(string work, string model, string questions, int kilobytes)
    {
        var disk = Directory.CreateDirectory(Path.Combine(work, "disk")).FullName; // beside the uninterrupted job: paths to the base model are equal
        if (!Mount("-t", "tmpfs", "-o", $"size={kilobytes}k", "tmpfs", disk)) return 5;
        try
        {
            Job.Run(disk, model, questions, 1, _ => { });
        }
        catch (NlftException e) when (e.Found == "a full disk")
        {
            Console.WriteLine(e.Message);
            if (Directory.EnumerateFiles(disk, ".*", SearchOption.AllDirectories).Any()) return Wrong("half-written files are left");
            if (!Mount("-o", "remount,size=64m", disk)) return 5;
            Job.Run(disk, model, questions, 1, _ => { });
        }
        foreach (var name in Job.Results)
        {
            if (!File.ReadAllBytes(Path.Combine(disk, name)).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(work, "unbroken", name))))
                return Wrong($"{name} differs");
        }
        return 0;
    }

    private static int Wrong(string what)
    {
        Console.WriteLine(what);
        return 4;
    }

    private static bool Mount(params string[] arguments)
    {
        using var mount = Process.Start("mount", arguments);
        mount.WaitForExit();
        return mount.ExitCode == 0;
    }
}
