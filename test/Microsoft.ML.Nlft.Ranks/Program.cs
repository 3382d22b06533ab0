using Microsoft.ML.Nlft.Distributed;

namespace Microsoft.ML.Nlft.Ranks;

/// <summary>What one rank does in the tests: the first argument names it. Every rank checks for itself; a process that ends with 0 found nothing wrong.</summary>
internal static class Program
{
    private static int Main(string[] arguments)
    {
        try
        {
            switch (arguments[0])
            {
                case "judge": new Sharing(Communicator.Current, arguments[1..]).JudgeAsync().GetAwaiter().GetResult(); break;
                case "respond": new Sharing(Communicator.Current, arguments[1..]).RespondAsync().GetAwaiter().GetResult(); break;
                case "transform": new Sharing(Communicator.Current, arguments[1..]).Transform(); break;
                case "talk": Talk.Run(Communicator.Current); break;
                case "train": Training.Run(arguments[1]); break;
                default: throw new ArgumentException($"No scene \"{arguments[0]}\".");
            }
            return 0;
        }
        catch (NlftException e)
        {
            Console.Error.WriteLine($"refused: {e.Message}");
            return 2;
        }
        catch (Exception e)
        {
            Console.Error.WriteLine($"failed: {e}");
            return 1;
        }
    }
}
