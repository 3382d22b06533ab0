using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft;

namespace WordProblems;

/// <summary>The engine by its name on the command line.</summary>
internal static class Engines
{
    public static IModelEngine? Named(string name) => name switch
    {
        "managed" => null, // the default
        "torch" => TorchSharp(),
        _ => throw new NlftException("--engine", name, "managed or torch", "Leave it out for the managed engine."),
    };

    // The first GPU, or the CPU where there is none. When the device is first needed, an exception names what is missing, such as libtorch.
    private static Microsoft.ML.Nlft.TorchSharp.TorchSharpEngine TorchSharp()
    {
        var engine = new Microsoft.ML.Nlft.TorchSharp.TorchSharpEngine();
        Console.WriteLine($"Engine: TorchSharp on {engine.Device}, {engine.ComputeType}");
        return engine;
    }
}
