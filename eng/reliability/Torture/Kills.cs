using System.Diagnostics;

namespace Microsoft.ML.Nlft.Reliability.Torture;

/// <summary>
/// Kills a job with SIGKILL at random moments of its phases, restarts it each time, and finally lets it finish.
/// </summary>
internal static class Kills
{
    private const int KillsOfOneJob = 4;

    /// <summary>Kills jobs a number of times.</summary>
    /// <returns>The number of finished jobs whose files are missing or differ from the uninterrupted ones.</returns>
    public static int Run(Place place, int kills, int seed, TimeSpan limit)
    {
        var random = new Random(seed);
        var during = Job.Phases.ToDictionary(phase => phase, _ => 0);
        var (killed, jobs, wrong) = (0, 0, 0);
        var clock = Stopwatch.StartNew();
        while (killed < kills && clock.Elapsed < limit)
        {
            var folder = place.PathOf($"job-{jobs++}");
            var targets = Enumerable.Range(0, KillsOfOneJob).Select(_ => random.Next(Job.Phases.Length)).Order().Take(kills - killed);
            foreach (var target in targets)
            {
                if (Kill(place, folder, Job.Phases[target], random) is not { } phase) break;
                during[phase]++;
                killed++;
            }
            using var last = Job.Start(folder, place.Model, place.Questions, threads: random.Next(1, 3));
            var error = last.StandardError.ReadToEndAsync();
            last.StandardOutput.ReadToEnd();
            last.WaitForExit();
            var differences = place.Differences(folder);
            if (last.ExitCode != 0 || differences.Count > 0)
            {
                wrong++;
                Console.WriteLine($"    {folder}: exit code {last.ExitCode}, differs in {string.Join(", ", differences)}. {error.Result}");
            }
            else
            {
                Directory.Delete(folder, recursive: true);
            }
        }
        var phases = string.Join(", ", during.Select(pair => $"{pair.Key} {pair.Value}"));
        Console.WriteLine(FormattableString.Invariant($"{killed} kills ({phases}), {jobs} jobs, ")
            + FormattableString.Invariant($"{jobs - wrong} with the files of the uninterrupted one, {clock.Elapsed.TotalSeconds:0} s"));
        return wrong + (killed < kills ? 1 : 0);
    }

    /// <summary>Returns the phase that was killed, or null when the job finished first.</summary>
    private static string? Kill(Place place, string folder, string phase, Random random)
    {
        using var job = Job.Start(folder, place.Model, place.Questions, threads: random.Next(1, 3));
        var now = "";
        while (job.StandardOutput.ReadLine() is { } line)
        {
            now = line;
            if (Array.IndexOf(Job.Phases, line) < Array.IndexOf(Job.Phases, phase)) continue;
            Thread.Sleep(random.Next(line switch { "rounds" => 600, "training" or "generating" => 120, _ => 8 })); // as long as they take
            break;
        }
        job.Kill(); // SIGKILL
        var rest = job.StandardOutput.ReadToEnd();
        job.WaitForExit();
        if (job.ExitCode == 0) return null;
        return rest.Split('\n', StringSplitOptions.RemoveEmptyEntries) is [.., var later] ? later : now;
    }
}
