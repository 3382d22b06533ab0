using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines;

/// <summary>
/// Loads causal language models for inference or training. The library has a managed CPU engine and a TorchSharp engine; a program can bring its own.
/// </summary>
public interface IModelEngine
{
    /// <summary>A short name for logs and reports, for example "managed".</summary>
    string Name { get; }

    /// <summary>
    /// Names everything about the engine and its options that results depend on, down to the last digits, for example "managed, int8 weights". A
    /// run resumes from a checkpoint with a different value only with <c>FineTuneOptions.ResumeOnAnotherEngine</c>. Default: <see cref="Name"/>.
    /// </summary>
    string Arithmetic => Name;

    /// <summary>The device that the engine computes on, for logs, cards and <c>nlft doctor</c>: "cpu", "cuda:0". Default: "cpu".</summary>
    /// <exception cref="NlftException">The device cannot be used, with an engine that has a choice of them.</exception>
    string Device => "cpu";

    /// <summary>Loads the model in <see cref="ModelLoadOptions.Folder"/>.</summary>
    /// <exception cref="NlftException">The folder, its configuration, weights or adapter cannot be used.</exception>
    ICausalLanguageModel Load(ModelLoadOptions options, CancellationToken cancellationToken = default);

    /// <summary>
    /// Estimates the least memory that a model needs on this engine, so that work that cannot fit is refused before it starts. Default: null,
    /// unknown.
    /// </summary>
    /// <param name="request">The model, the weights that are trained, and the tokens of a pass.</param>
    MemoryNeed? Estimate(MemoryRequest request) => null;

    /// <summary>
    /// Returns this engine on the GPU that the host program chose, for ML.NET with <c>MLContext.GpuDeviceId</c> and <c>FallbackToCpu</c>. Default:
    /// the engine unchanged, which suits an engine that uses no GPU or whose options name a device.
    /// </summary>
    /// <param name="deviceId">The GPU's number, 0 or more.</param>
    /// <param name="fallbackToCpu">Whether to use the CPU if the GPU cannot be used.</param>
    IModelEngine OnGpu(int deviceId, bool fallbackToCpu) => this;

    /// <summary>
    /// Returns this engine for one of several processes on a machine, which share its GPUs. Default: the engine unchanged, which suits an engine that
    /// uses no GPU or whose options name a device.
    /// </summary>
    /// <param name="rankOnHost">The process's number on the machine, from 0.</param>
    IModelEngine ForProcess(int rankOnHost) => this;
}

/// <summary>Which weights a loaded model can train.</summary>
public enum TrainableWeights
{
    /// <summary>None: scoring and generation only.</summary>
    None,

    /// <summary>The LoRA factors; the base weights are frozen.</summary>
    Lora,

    /// <summary>All base weights, in float32.</summary>
    All,
}

/// <summary>Says what to load and which weights can be trained.</summary>
public sealed record ModelLoadOptions
{
    /// <summary>The opened model folder. The engine does not dispose it; keep it open as long as the model.</summary>
    public required ModelFolder Folder { get; init; }

    /// <summary>An adapter to apply (and to train further, with <see cref="TrainableWeights.Lora"/>), or null.</summary>
    public LoraAdapter? Adapter { get; init; }

    /// <summary>The fresh adapter to create when <see cref="Trainable"/> is Lora and <see cref="Adapter"/> is null.</summary>
    public LoraConfiguration? Lora { get; init; }

    /// <summary>The weights that can be trained. Default: none.</summary>
    public TrainableWeights Trainable { get; init; }

    /// <summary>Seeds the initial values of a fresh adapter. Default 42.</summary>
    public int Seed { get; init; } = 42;

    /// <summary>
    /// A model that the same engine loaded from the same folder: its frozen weights are used again where the engine can, so that several adapters
    /// of a base model need its memory once. Either model may be disposed first. Ignored when all weights are trained. Default null.
    /// </summary>
    public ICausalLanguageModel? SharedWith { get; init; }

    /// <summary>
    /// Processors to use when the engine's options set no number of threads, 1 or more; 0: all processors of this machine. Default 0.
    /// </summary>
    public int Processors { get; init; }
}
