namespace Microsoft.ML.Nlft.Reliability.Torture;

/// <summary>
/// Shortens, overwrites or deletes the weight file of a running job at a random moment. If the job has read the weights it ends with the files of the
/// uninterrupted one; otherwise it refuses the file by name. It never crashes.
/// </summary>
internal static class Changes
{
    private const string Weights = "model.safetensors";
    private const int LongestDelay = 400;

    private static readonly string[] s_ways = ["shortened", "overwritten", "deleted"];

    /// <summary>Runs the check a number of times.</summary>
    /// <returns>The number of jobs that did neither.</returns>
    public static int Run(Place place, int changes, int seed)
    {
        var random = new Random(seed);
        var (finished, refused) = (s_ways.ToDictionary(way => way, _ => 0), s_ways.ToDictionary(way => way, _ => 0));
        for (var i = 0; i < changes; i++)
        {
            var how = s_ways[i % s_ways.Length];
            switch (One(place, i, how, random, out var said))
            {
                case true: finished[how]++; break;
                case false: refused[how]++; break;
                default: Console.WriteLine($"    {how}: {said}"); break;
            }
        }
        var neither = changes - finished.Values.Sum() - refused.Values.Sum();
        Console.WriteLine(
            $"{changes} weight files changed under a job: {Text(finished)} and the job ended with the files of the uninterrupted one, "
            + $"{Text(refused)} and refused, {neither} otherwise");
        return neither;

        static string Text(Dictionary<string, int> counts) => string.Join(", ", counts.Select(pair => $"{pair.Value} {pair.Key}"));
    }

    /// <summary>Returns true for the files of the uninterrupted job, false for a refusal that names the file, null otherwise.</summary>
    public static bool? One(Place place, int number, string how, Random random, out string said)
    {
        var (model, folder) = (place.PathOf($"changed-{number}"), place.PathOf($"changed-{number}-job"));
        var file = Path.Combine(model, Weights);
        Directory.CreateDirectory(model);
        foreach (var original in Directory.GetFiles(place.Model)) File.Copy(original, Path.Combine(model, Path.GetFileName(original)));
        using var job = Job.Start(folder, model, place.Questions, threads: 1);
        var error = job.StandardError.ReadToEndAsync();
        var begun = job.StandardOutput.ReadLine(); // it is loading
        Thread.Sleep(random.Next(LongestDelay));
        Change(file, how);
        said = $"{begun} {job.StandardOutput.ReadToEnd()}{error.Result}";
        job.WaitForExit();
        if (job.ExitCode == 0) return place.Differences(folder, Job.Numbers) is [] ? true : null;
        // A file that is gone before the job opens its folder is refused as missing there.
        var missing = how == "deleted" && said.Contains($"{model}: found no weights", StringComparison.Ordinal);
        return job.ExitCode == Job.Refused && (missing || said.Contains(file, StringComparison.Ordinal)) ? false : null;
    }

    private static void Change(string file, string how)
    {
        if (how == "deleted")
        {
            File.Delete(file);
            return;
        }
        using var stream = new FileStream(file, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        if (how == "shortened") stream.SetLength(100);
        else stream.Write(new byte[stream.Length]);
    }
}
