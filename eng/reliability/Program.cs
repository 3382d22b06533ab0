using Microsoft.ML.Nlft.Reliability.Fuzzing;
using Microsoft.ML.Nlft.Reliability.Torture;

namespace Microsoft.ML.Nlft.Reliability;

/// <summary>fuzz: hostile input for every reader. torture: runs that are killed. Exits with 1 when something did not hold.</summary>
internal static class Program
{
    public static int Main(string[] args)
    {
        var options = args.Skip(1).Chunk(2).Where(pair => pair.Length == 2).ToDictionary(pair => pair[0].TrimStart('-'), pair => pair[1]);
        return args.FirstOrDefault() switch
        {
            "fuzz" => Fuzz(options),
            "torture" => Torture(options),
            "job" => DoJob(args[1], args[2], args[3], int.Parse(args[4])),
            "disk" => FullDisks.One(args[1], args[2], args[3], int.Parse(args[4])),
            _ => Usage(),
        };
    }

    private static int Usage()
    {
        Console.Error.WriteLine("fuzz [--target NAME] [--count N] [--seconds S] [--seed N]\ntorture [--kills N] [--disks N] [--changes N] [--steps N] [--seed N] [--minutes M]");
        return 2;
    }

    /// <summary>The process that is killed, or whose files are changed.</summary>
    private static int DoJob(string folder, string model, string questions, int threads)
    {
        try
        {
            Say("loading");
            Job.Run(folder, model, questions, threads, Say);
            return 0;
        }
        catch (NlftException e)
        {
            Console.Error.WriteLine(e.Message);
            return Job.Refused;
        }

        static void Say(string phase)
        {
            Console.WriteLine(phase);
            Console.Out.Flush();
        }
    }

    private static int Torture(Dictionary<string, string> options)
    {
        int Of(string name, int otherwise) => options.TryGetValue(name, out var value) ? int.Parse(value) : otherwise;
        using var place = new Place(Directory.GetCurrentDirectory());
        var wrong = Of("kills", 200) > 0 ? Kills.Run(place, Of("kills", 200), Of("seed", 1), TimeSpan.FromMinutes(Of("minutes", 15))) : 0;
        if (Of("disks", 20) > 0)
        {
            if (FullDisks.Run(place, Of("disks", 20), Of("seed", 1)) is { } bad) wrong += bad;
            else Console.WriteLine("Full disks were left out: nothing can be mounted here. They need Linux with unshare, as root or with user namespaces.");
        }
        if (Of("changes", 60) > 0) wrong += Changes.Run(place, Of("changes", 60), Of("seed", 1));
        if (Of("steps", 2000) > 0) wrong += FlatMemory.Run(place, Of("steps", 2000));
        return wrong == 0 ? 0 : 1;
    }

    private static int Fuzz(Dictionary<string, string> options)
    {
        var count = options.TryGetValue("count", out var number) ? long.Parse(number) : long.MaxValue;
        TimeSpan? limit = options.TryGetValue("seconds", out var seconds) ? TimeSpan.FromSeconds(double.Parse(seconds)) : options.ContainsKey("count") ? null : TimeSpan.FromSeconds(10);
        var seed = options.TryGetValue("seed", out var given) ? int.Parse(given) : 1;
        var failed = 0;
        foreach (var target in Targets.All.Where(target => !options.TryGetValue("target", out var name) || name == target.Name))
        {
            var folder = Directory.CreateTempSubdirectory($"nlft-fuzz-{target.Name}-").FullName;
            var report = new Fuzzer(target, seed, folder).Run(count, limit);
            Console.WriteLine(FormattableString.Invariant(
                $"{report.Target,-12} {report.Inputs,9} inputs, {report.Accepted,8} accepted, {report.Refusals.Count,4} different refusals, {report.Failures.Count} failures, {report.Elapsed.TotalSeconds,6:0.0} s"));
            foreach (var (fault, input) in report.Failures)
            {
                var kept = Path.Combine(Path.GetTempPath(), $"nlft-fuzz-{target.Name}-{failed++}.bin");
                File.WriteAllBytes(kept, input);
                Console.WriteLine($"    {kept}: {fault}");
            }
            Directory.Delete(folder, recursive: true);
        }
        return failed == 0 ? 0 : 1;
    }
}
