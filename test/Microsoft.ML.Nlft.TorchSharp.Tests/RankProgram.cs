using Microsoft.ML.Nlft.TorchSharp;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>This assembly as a program: one rank of the tests with several processes, training on the TorchSharp engine.</summary>
internal static class RankProgram
{
    private static int Main(string[] arguments) => Scenes.Play(() => RankTraining.Run(arguments[1], new TorchSharpEngine(new() { Device = "cpu", Threads = 1 })));
}
