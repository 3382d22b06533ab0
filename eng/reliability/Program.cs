using System.CommandLine;
using Microsoft.ML.Nlft.Reliability.Fuzzing;
using Microsoft.ML.Nlft.Reliability.Torture;

namespace Microsoft.ML.Nlft.Reliability;

/// <summary>Runs the checks of docs/reliability.md; the exit code is 1 when one failed.</summary>
internal static class Program
{
    public static int Main(string[] args)
    {
        var parsed = new ReliabilityCommand(args).Parse(args);
        var exitCode = parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
        return parsed.Errors.Count > 0 ? 2 : exitCode;
    }

    /// <summary>Runs this program again with the instrumented library.</summary>
    public static int RunInstrumented(string[] args)
    {
        using var code = new InstrumentedCode("Microsoft.ML.Nlft.Reliability", "Microsoft.ML.Nlft");
        return code.Run(typeof(Program).Assembly, args);
    }

    /// <summary>
    /// Feeds mutated inputs to readers, those of the instrumented library. The inputs that failed are kept in the folder for temporary files.
    /// </summary>
    public static int Fuzz(IEnumerable<Target> targets, FuzzOptions options)
    {
        var (failed, coverage) = (0, new Coverage());
        var libraries = new Dictionary<string, BranchTargets>(StringComparer.Ordinal);
        foreach (var target in targets)
        {
            var library = target.Library.Assembly.Location;
            if (!libraries.TryGetValue(library, out var branches)) libraries[library] = branches = new(library);
            var folder = Directory.CreateTempSubdirectory($"nlft-fuzz-{target.Name}-").FullName;
            var fuzzer = new Fuzzer(target, options.Seed, folder, coverage, () => branches.Words(coverage.Reached));
            var report = fuzzer.Run(options.Count, options.Limit);
            Console.WriteLine(report.Line(branches.Count(coverage.Reached)));
            foreach (var (fault, input) in report.Failures)
            {
                var kept = Path.Combine(Path.GetTempPath(), $"nlft-fuzz-{target.Name}-{failed++}.bin");
                File.WriteAllBytes(kept, input);
                Console.WriteLine($"    {kept}: {fault}");
            }
            if (options.Keep is { } keep) Corpus.Write(keep, target.Name, Corpus.Minimise(target, report.Corpus, fuzzer.EdgesOf));
            Directory.Delete(folder, recursive: true);
        }
        return failed == 0 ? 0 : 1;
    }

    /// <summary>Interrupts jobs and compares their results with those of a job that ran undisturbed.</summary>
    public static int Torture(TortureOptions options)
    {
        using var place = new Place(Directory.GetCurrentDirectory());
        var wrong = options.Kills > 0 ? Kills.Run(place, options.Kills, options.Seed, options.Limit) : 0;
        if (options.Disks > 0)
        {
            if (FullDisks.Run(place, options.Disks, options.Seed) is { } failed)
            {
                wrong += failed;
            }
            else
            {
                Console.WriteLine(
                    "Full disks were left out: nothing can be mounted here. They need Linux with unshare, as root or with user namespaces.");
            }
        }
        if (options.Changes > 0) wrong += Changes.Run(place, options.Changes, options.Seed);
        if (options.Calls > 0) wrong += Shimmed(place, "calls", options.Calls, options);
        if (options.Power > 0) wrong += Shimmed(place, "power", options.Power, options);
        if (options.Steps > 0) wrong += FlatMemory.Run(place, options.Steps);
        return wrong == 0 ? 0 : 1;
    }

    /// <summary>Runs a part in a process with the library of faults; returns 0 when it passed or was left out.</summary>
    private static int Shimmed(Place place, string part, int count, TortureOptions options)
    {
        if (FaultLibrary.Missing is not { } missing)
        {
            return FaultLibrary.Run(
                place.Work, [part, Directory.GetCurrentDirectory(), place.PathOf(part), $"{count}", $"{options.Seed}", .. options.Jobs]);
        }
        Console.WriteLine($"{(part == "calls" ? "Failing calls" : "Losses of power")} were left out: {missing}");
        return 0;
    }

    /// <summary>Runs the job and prints each phase as it begins.</summary>
    public static int DoJob(string folder, string model, string questions, int threads)
    {
        try
        {
            Announce("loading");
            Job.Run(folder, model, questions, threads, Announce);
            return 0;
        }
        catch (NlftException e)
        {
            Console.Error.WriteLine(e.Message);
            return Job.Refused;
        }

        static void Announce(string phase)
        {
            Console.WriteLine(phase);
            Console.Out.Flush();
        }
    }
}
