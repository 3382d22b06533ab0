using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft;

namespace WordProblems;

/// <summary>Creates an engine from its name on the command line.</summary>
internal static class Engines
{
    public static IModelEngine? Named(string name) => name switch
    {
        "managed" => null, // the default
        "torch" => TorchSharp(),
        _ => throw new NlftException("--engine", name, "managed or torch", "Leave it out for the managed engine."),
    };

    // The first GPU, or the CPU without one. A missing package, such as libtorch, is reported when the device is first used.
    private static Microsoft.ML.Nlft.TorchSharp.TorchSharpEngine TorchSharp()
    {
        var engine = new Microsoft.ML.Nlft.TorchSharp.TorchSharpEngine();
        Console.WriteLine($"Engine: TorchSharp on {engine.Device}, {engine.ComputeType}");
        return engine;
    }
}
