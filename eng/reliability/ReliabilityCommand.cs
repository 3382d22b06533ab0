using System.CommandLine;
using Microsoft.ML.Nlft.Reliability.Fuzzing;
using Microsoft.ML.Nlft.Reliability.Torture;
using Verb = System.CommandLine.Command; // Microsoft.ML has a namespace Command

namespace Microsoft.ML.Nlft.Reliability;

/// <summary>The command line of the program. The hidden commands <c>job</c> and <c>disk</c> are the processes that <c>torture</c> starts.</summary>
internal sealed class ReliabilityCommand : RootCommand
{
    /// <summary>Creates the command line.</summary>
    /// <param name="args">The arguments, which fuzzing passes on to the program with the instrumented library.</param>
    public ReliabilityCommand(string[] args)
        : base("Feeds hostile files to every reader, and interrupts jobs in every way. The exit code is 1 when a check failed.")
    {
        foreach (var command in (Verb[])[Fuzz(args), Torture(), Job(), Disk()]) Subcommands.Add(command);
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
        var steps = Number("--steps", "Training steps with flat memory; 0 leaves them out.", 2000);
        var minutes = Number("--minutes", "Time limit of the kills.", 15);
        var seed = Number("--seed", "Seed of the interruptions.", 1);
        var command = new Verb("torture", "Kills jobs and resumes them, fills disks, changes weight files and watches memory.")
        {
            kills, disks, changes, steps, minutes, seed,
        };
        command.SetAction(parsed => Program.Torture(new TortureOptions(parsed.GetValue(kills), parsed.GetValue(disks), parsed.GetValue(changes),
            parsed.GetValue(steps),
            TimeSpan.FromMinutes(parsed.GetValue(minutes)), parsed.GetValue(seed))));
        return command;
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

    private static Option<int> Number(string name, string description, int otherwise) =>
        new(name) { Description = description, HelpName = "N", DefaultValueFactory = _ => otherwise };
}
