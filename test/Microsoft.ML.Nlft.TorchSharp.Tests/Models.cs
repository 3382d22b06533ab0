using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.TorchSharp;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>Creates the engines and models of the tests.</summary>
internal static class Models
{
    /// <summary>The device of the tests: the CPU, unless NLFT_TORCH_DEVICE names another one.</summary>
    public static string Device { get; } = Environment.GetEnvironmentVariable("NLFT_TORCH_DEVICE") is { Length: > 0 } named ? named : "cpu";

    // One thread, because models this small gain nothing from more.
    public static TorchSharpEngine Engine(bool recompute = false, int? bits = null, TensorType type = TensorType.F32) =>
        new(new()
        {
            Device = Device, ComputeType = type, RecomputeActivations = recompute, Int8Weights = bits == 8, Int4Weights = bits == 4, Threads = 1,
        });

    public static ICausalLanguageModel Load(ModelFolder folder, TrainableWeights trainable = TrainableWeights.Lora, IModelEngine? engine = null,
        LoraConfiguration? lora = null) =>
        (engine ?? Engine()).Load(new ModelLoadOptions { Folder = folder, Trainable = trainable, Lora = lora ?? EngineSteps.Lora });
}

/// <summary>Loads libtorch as the engine does, before any test asks for it: on a system with an older standard library it would not load.</summary>
internal static class NativeLibraryPreparation
{
    [System.Runtime.CompilerServices.ModuleInitializer]
    internal static void Prepare() => TorchSharp.Runtime.LibTorch.Load();
}
