using System.CommandLine;

namespace Microsoft.ML.Nlft.Scale;

/// <summary>The command line of the program. The hidden command <c>rank</c> is what mpirun starts.</summary>
internal sealed class ScaleCommand : RootCommand
{
    private readonly Option<bool> _quick = new("--quick") { Description = "Trains the small model only." };
    private readonly Option<bool> _page = new("--page") { Description =
        "Measures nothing: writes the page again from artifacts/scale/measured.json." };
    private readonly Option<string?> _output = new("--output")
    {
        Description = "The page. Default: docs/scale.md. Its plot is written to the folder images beside it.",
        HelpName = "FILE",
    };

    /// <summary>Creates the command line.</summary>
    /// <param name="run">Measures and writes the page; returns the exit code.</param>
    public ScaleCommand(Func<ScaleOptions, int> run)
        : base("Measures training on several processes, fits a cost model and writes docs/scale.md.")
    {
        Options.Add(_quick);
        Options.Add(_page);
        Options.Add(_output);
        SetAction(parsed => run(Read(parsed)));
        Subcommands.Add(Rank());
    }

    /// <summary>Reads the options from a parsed command line without errors.</summary>
    public ScaleOptions Read(ParseResult parsed) =>
        new() { Quick = parsed.GetValue(_quick), PageOnly = parsed.GetValue(_page), Output = parsed.GetValue(_output) };

    private static Command Rank()
    {
        var (times, bytes) = (new Argument<int>("times"), new Argument<int[]>("bytes") { Arity = ArgumentArity.OneOrMore });
        var sum = new Command("sum", "Times all-reduce sums.") { times, bytes };
        sum.SetAction(parsed => Scale.Rank.Sum(parsed.GetValue(times), parsed.GetValue(bytes)!));

        var (shape, folder) = (new Argument<string>("shape"), new Argument<string>("folder"));
        var (rows, steps) = (new Argument<int>("rows"), new Argument<int>("steps"));
        var train = new Command("train", "Times optimizer steps.") { shape, folder, rows, steps };
        train.SetAction(parsed => Scale.Rank.Train(parsed.GetValue(shape)!, parsed.GetValue(folder)!, parsed.GetValue(rows), parsed.GetValue(steps)));

        return new Command("rank", "Measures as one process of an MPI job.") { Hidden = true, Subcommands = { sum, train } };
    }
}
