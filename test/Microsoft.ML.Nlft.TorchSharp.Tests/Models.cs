using Microsoft.ML.Nlft.Models;
using Microsoft.ML.Nlft.Tests.Engines;
using Microsoft.ML.Nlft.TorchSharp;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>Engines and models that the tests share.</summary>
internal static class Models
{
    public static TorchSharpEngine Engine(bool recompute = false, bool int8 = false) =>
        new(new() { Device = "cpu", RecomputeActivations = recompute, Int8Weights = int8, Threads = 1 }); // what is this small gains nothing from threads

    public static ICausalLanguageModel Load(ModelFolder folder, TrainableWeights trainable = TrainableWeights.Lora, IModelEngine? engine = null, LoraConfiguration? lora = null) =>
        (engine ?? Engine()).Load(new ModelLoadOptions { Folder = folder, Trainable = trainable, Lora = lora ?? EngineSteps.Lora });
}
