using Microsoft.ML.Nlft.TorchSharp;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>Lets this assembly run as a program: one process of the distributed tests, training on the TorchSharp engine.</summary>
internal static class RankProgram
{
    private static int Main(string[] arguments) =>
        Scenario.Run(() => RankTraining.Run(arguments[1], new TorchSharpEngine(new() { Device = "cpu", Threads = 1 })));
}
