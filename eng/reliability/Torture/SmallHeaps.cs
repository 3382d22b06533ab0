using System.Diagnostics;

namespace Microsoft.ML.Nlft.Reliability.Torture;

/// <summary>
/// Runs every job in processes whose managed heap is limited, from too small to start to large enough, so that memory runs out at many places. Each
/// succeeds or says that memory is what it lacks; the files are the old ones or the new ones, and the job succeeds when it is run again.
/// </summary>
internal static class SmallHeaps
{
    private const int Smallest = 1 << 20, Largest = 1 << 28;

    /// <summary>Runs the check.</summary>
    /// <param name="scene">Where the jobs run.</param>
    /// <param name="runs">Runs of each job.</param>
    /// <param name="seed">Draws the limits.</param>
    /// <returns>The number of runs that broke a rule.</returns>
    public static int Run(Scene scene, int runs, int seed)
    {
        var random = new Random(seed);
        var (succeeded, refused, ended, wrong) = (0, 0, 0, 0);
        foreach (var check in ToolJob.All.Select(job => new JobCheck(scene, job, replaces: true)))
        {
            var enough = Smallest;
            while (enough < Largest && Limited(check, enough).ExitCode != 0) enough *= 2;
            for (var run = 0; run < runs; run++)
            {
                // One limit from each of as many equal spans.
                var limit = (int)(enough / 2 * (1 + (run + random.NextDouble()) / runs));
                var (exitCode, error) = Limited(check, limit);
                var broken = exitCode switch
                {
                    not 0 when !SaysMemory(error) => $"memory is not named: {error.Trim()}",
                    0 or 1 => check.Broken(exitCode, error + scene.Folder), // it names memory rather than a file
                    _ => check.BrokenFile(),
                };
                if (exitCode == 0) succeeded++;
                else if (exitCode == 1) refused++;
                else ended++;
                if ((broken ?? check.BrokenAgain()) is not { } rule) continue;
                wrong++;
                Console.WriteLine($"    {check.Name} with a heap of {limit >> 10} KiB: {rule}; exit code {exitCode}");
            }
        }
        Console.WriteLine($"{succeeded + refused + ended} runs of {ToolJob.All.Count} jobs with small heaps: {succeeded} succeeded, {refused} said "
            + $"that memory was lacking, {ended} were ended by the runtime, which said so; {wrong} left other files than the old or the new ones");
        return wrong;
    }

    private static bool SaysMemory(string error) => error.Contains("memory", StringComparison.OrdinalIgnoreCase)
        || error.Contains("0x8007000E", StringComparison.Ordinal); // E_OUTOFMEMORY, from a runtime that cannot start

    /// <summary>Runs a job in a process of its own.</summary>
    private static (int ExitCode, string Error) Limited(JobCheck check, int limit)
    {
        check.Prepare();
        using var process = Process.Start(new ProcessStartInfo("dotnet", [typeof(Scene).Assembly.Location, "tool", .. check.Arguments])
        {
            Environment = { ["DOTNET_GCHeapHardLimit"] = $"{limit:x}" },
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var error = process.StandardError.ReadToEndAsync();
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, error.Result);
    }
}
