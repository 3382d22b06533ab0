using Microsoft.ML.Nlft.Distributed;
using Microsoft.ML.Nlft.Engines.Managed;

namespace Microsoft.ML.Nlft.Ranks;

/// <summary>What one rank does in the tests: the first argument names it. Every rank checks for itself; a process that ends with 0 found nothing wrong.</summary>
internal static class Program
{
    private static int Main(string[] arguments) => Scenes.Play(() =>
    {
        switch (arguments[0])
        {
            case "judge": new Sharing(Communicator.Current, arguments[1..]).JudgeAsync().GetAwaiter().GetResult(); break;
            case "respond": new Sharing(Communicator.Current, arguments[1..]).RespondAsync().GetAwaiter().GetResult(); break;
            case "transform": new Sharing(Communicator.Current, arguments[1..]).Transform(); break;
            case "talk": Talk.Run(Communicator.Current); break;
            case "train": RankTraining.Run(arguments[1], new ManagedEngine()); break;
            default: throw new ArgumentException($"No scene \"{arguments[0]}\".");
        }
    });
}
