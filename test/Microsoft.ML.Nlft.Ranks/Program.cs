using Microsoft.ML.Nlft.Distributed;
using Microsoft.ML.Nlft.Engines.Managed;

namespace Microsoft.ML.Nlft.Ranks;

/// <summary>
/// Runs the scenario that the first argument names on one rank. Every rank checks its own results; exit code 0 means success.
/// </summary>
internal static class Program
{
    private static int Main(string[] arguments) => Scenario.Run(() =>
    {
        switch (arguments[0])
        {
            case "judge": new Sharing(Communicator.Current, arguments[1..]).JudgeAsync().GetAwaiter().GetResult(); break;
            case "respond": new Sharing(Communicator.Current, arguments[1..]).RespondAsync().GetAwaiter().GetResult(); break;
            case "rounds": Rounds.RunAsync(Communicator.Current, arguments[1..]).GetAwaiter().GetResult(); break;
            case "transform": new Sharing(Communicator.Current, arguments[1..]).Transform(); break;
            case "communicate": CommunicatorChecks.Run(Communicator.Current); break;
            case "train": RankTraining.Run(arguments[1], new ManagedEngine()); break;
            default: throw new ArgumentException($"No scenario \"{arguments[0]}\".");
        }
    });
}
