using System.CommandLine;
using Microsoft.ML.Nlft.Reliability.Fuzzing;
using Microsoft.ML.Nlft.Reliability.Torture;
using Verb = System.CommandLine.Command; // Microsoft.ML has a namespace Command

namespace Microsoft.ML.Nlft.Reliability;

/// <summary>
/// The command line of the program. The hidden commands <c>job</c>, <c>disk</c>, <c>calls</c> and <c>power</c> are the processes that <c>torture</c>
/// starts.
/// </summary>
internal sealed class ReliabilityCommand : RootCommand
{
    /// <summary>Creates the command line.</summary>
    /// <param name="args">The arguments, which fuzzing passes on to the program with the instrumented library.</param>
    public ReliabilityCommand(string[] args)
        : base("Feeds hostile files to every reader, and interrupts jobs in every way. The exit code is 1 when a check failed.")
    {
        Verb[] all = [Fuzz(args), Torture(), Job(), Disk(), Shimmed("calls", "Failing calls.", FailingCalls.Run),
            Shimmed("power", "Losses of power.", PowerLoss.Run)];
        foreach (var command in all) Subcommands.Add(command);
    }

    private static Verb Fuzz(string[] args)
    {
        var target = new Option<string?>("--target") { Description = "One reader. Default: all of them." };
        target.AcceptOnlyFromAmong([.. Targets.All.Select(one => one.Name)]);
        var count = new Option<long?>("--count") { Description = "Inputs per reader. Default: no limit.", HelpName = "N" };
        var seconds = new Option<double?>("--seconds") { Description = "Seconds per reader. Default: no limit with --count, else 10.",
            HelpName = "S" };
        var seed = Number("--seed", "Seed of the inputs.", 1);
        var keep = new Option<string?>("--keep") { Description = "Folder that gets, as one zip a reader, the inputs that reach most.",
            HelpName = "FOLDER" };
        var command = new Verb("fuzz", "Feeds damaged and hostile inputs to every reader; keeps those that reach new code and changes them further.")
        {
            target, count, seconds, seed, keep,
        };
        command.SetAction(parsed =>
        {
            if (!InstrumentedCode.IsRunning) return Program.RunInstrumented(args);
            TimeSpan? limit = parsed.GetValue(seconds) is { } given ? TimeSpan.FromSeconds(given)
                : parsed.GetValue(count) is null ? TimeSpan.FromSeconds(10) : null;
            var chosen = Targets.All.Where(one => parsed.GetValue(target) is not { } name || name == one.Name);
            return Program.Fuzz(chosen, new(parsed.GetValue(count) ?? long.MaxValue, limit, parsed.GetValue(seed), parsed.GetValue(keep)));
        });
        return command;
    }

    private static Verb Torture()
    {
        var kills = Number("--kills", "Kills; 0 leaves them out.", 200);
        var disks = Number("--disks", "Runs on small disks; 0 leaves them out.", 20);
        var changes = Number("--changes", "Weight files that are changed under a job; 0 leaves them out.", 60);
        var calls = Number("--calls", "Calls of a kind that fail in a job, at most; 0 leaves them out.", 20);
        var power = Number("--power", "Losses of power during a job, beside two after each of its calls; 0 leaves them out.", 20);
        var steps = Number("--steps", "Training steps with flat memory; 0 leaves them out.", 2000);
        var jobs = new Option<string[]>("--job") { Description = "A job whose calls fail and during which the power is cut. Default: all of them." };
        jobs.AcceptOnlyFromAmong([.. ToolJob.All.Select(job => job.Name)]);
        var minutes = Number("--minutes", "Time limit of the kills.", 15);
        var seed = Number("--seed", "Seed of the interruptions.", 1);
        var command = new Verb("torture",
            "Kills jobs and resumes them, fills disks, changes weight files, fails calls, cuts the power and watches memory. "
            + "Without a number for a part all of them run, else those with a number.")
        {
            kills, disks, changes, calls, power, jobs, steps, minutes, seed,
        };
        command.SetAction(parsed => Program.Torture(new TortureOptions(Count(parsed, kills), Count(parsed, disks), Count(parsed, changes),
            Count(parsed, calls), Count(parsed, power), parsed.GetValue(jobs) ?? [], Count(parsed, steps),
            TimeSpan.FromMinutes(parsed.GetValue(minutes)), parsed.GetValue(seed))));
        return command;

        // Parts that are asked for run alone.
        int Count(ParseResult parsed, Option<int> part) =>
            !IsGiven(parsed, part) && ((Option<int>[])[kills, disks, changes, calls, power, steps]).Any(one => IsGiven(parsed, one)) ? 0
                : parsed.GetValue(part);
    }

    private static Verb Job()
    {
        var (folder, model, questions) = (new Argument<string>("folder"), new Argument<string>("model"), new Argument<string>("questions"));
        var threads = new Argument<int>("threads");
        var command = new Verb("job", "The process that is killed, or whose files are changed.") { folder, model, questions, threads };
        command.Hidden = true;
        command.SetAction(parsed =>
            Program.DoJob(parsed.GetValue(folder)!, parsed.GetValue(model)!, parsed.GetValue(questions)!, parsed.GetValue(threads)));
        return command;
    }

    private static Verb Disk()
    {
        var (work, model, questions) = (new Argument<string>("work"), new Argument<string>("model"), new Argument<string>("questions"));
        var kilobytes = new Argument<int>("kilobytes");
        var command = new Verb("disk", "One job on a small disk.") { work, model, questions, kilobytes };
        command.Hidden = true;
        command.SetAction(parsed =>
            FullDisks.One(parsed.GetValue(work)!, parsed.GetValue(model)!, parsed.GetValue(questions)!, parsed.GetValue(kilobytes)));
        return command;
    }

    /// <summary>A part of torture that runs in a process with the library of faults.</summary>
    private static Verb Shimmed(string name, string description, Func<Scene, IEnumerable<ToolJob>, int, int, int> run)
    {
        var (root, folder) = (new Argument<string>("root"), new Argument<string>("folder"));
        var (count, seed) = (new Argument<int>("count"), new Argument<int>("seed"));
        var jobs = new Argument<string[]>("jobs") { Arity = ArgumentArity.ZeroOrMore };
        var command = new Verb(name, description) { root, folder, count, seed, jobs };
        command.Hidden = true;
        command.SetAction(parsed =>
        {
            FaultLibrary.Resolve();
            var scene = new Scene(parsed.GetValue(root)!, parsed.GetValue(folder)!);
            var chosen = ToolJob.All.Where(job => parsed.GetValue(jobs) is not { Length: > 0 } names || names.Contains(job.Name));
            return run(scene, chosen, parsed.GetValue(count), parsed.GetValue(seed)) == 0 ? 0 : 1;
        });
        return command;
    }

    private static bool IsGiven(ParseResult parsed, Option<int> part) => parsed.GetResult(part) is { Implicit: false } && parsed.GetValue(part) > 0;

    private static Option<int> Number(string name, string description, int otherwise) =>
        new(name) { Description = description, HelpName = "N", DefaultValueFactory = _ => otherwise };
}
