namespace Microsoft.ML.Nlft.Reliability.Torture;

/// <summary>
/// Shortens, overwrites or deletes the weight file under a job, at a random moment of loading or later. What was read stays, so that the job ends with the files of
/// the unbroken one; or the change came first, and it refuses the file by its name. It never dies of it.
/// </summary>
internal static class Changes
{
    private const string Weights = "model.safetensors";
    private const int LongestDelay = 400;

    private static readonly string[] s_ways = ["shortened", "overwritten", "deleted"];

    /// <summary>Changes that many times.</summary>
    /// <returns>How many jobs did neither.</returns>
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
        Console.WriteLine($"{changes} weight files changed under a job: {Text(finished)} and the job ended with the files of the unbroken one, {Text(refused)} and refused, {neither} with another end");
        return neither;

        static string Text(Dictionary<string, int> counts) => string.Join(", ", counts.Select(pair => $"{pair.Value} {pair.Key}"));
    }

    /// <summary>True: the files of the unbroken job; false: a refusal that names the file; null: neither.</summary>
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
        return job.ExitCode == Job.Refused && said.Contains(file, StringComparison.Ordinal) ? false : null;
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
