using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.TorchSharp;

namespace Microsoft.ML.Nlft.Tool.Options;

/// <summary>The engines of the tool.</summary>
internal enum EngineName
{
    /// <summary>The managed CPU engine.</summary>
    Managed,

    /// <summary>The TorchSharp engine.</summary>
    Torch,
}

/// <summary>Settings of the engine.</summary>
internal sealed record EngineOptions
{
    private static readonly long s_promptCacheMemory = new ManagedEngineOptions().PromptCacheMemory;

    /// <summary>
    /// The engine: managed, on the CPU; or torch, on an NVIDIA GPU or the CPU, with libtorch beside the tool. Default managed.
    /// </summary>
    public EngineName Engine { get; init; }

    /// <summary>
    /// The device of the torch engine: cpu, cuda (the first GPU) or cuda:N. Default: the first GPU, or the CPU where there is none.
    /// </summary>
    public string? Device { get; init; }

    /// <summary>
    /// Most threads to use on the CPU; 0: one per processor, or libtorch's choice. Results of the managed engine do not depend on it. Default 0.
    /// </summary>
    public int Threads { get; init; }

    /// <summary>
    /// Whether a training pass keeps only the input of every layer and recomputes the rest in the backward pass: about a third more time, far less
    /// memory, the same results. Default false.
    /// </summary>
    public bool RecomputeActivations { get; init; }

    /// <summary>
    /// Whether frozen weights are quantized to 8 bits while loading: half the memory of bfloat16, weights off by at most 1/254 of the largest of
    /// their row. Default false.
    /// </summary>
    public bool Int8Weights { get; init; }

    /// <summary>
    /// Whether frozen weights of the layers are quantized to 4 bits in blocks of 32 while loading: less than a third of the memory of bfloat16,
    /// weights off by at most 1/8 of the largest of their block. Default false.
    /// </summary>
    public bool Int4Weights { get; init; }

    /// <summary>
    /// Most bytes of keys and values that the managed engine keeps of the prompts of a model: a prompt that begins like one of them, such as the next
    /// turn of a conversation, computes only its rest, with the same results. 0 keeps nothing. Default 268435456 (256 MiB).
    /// </summary>
    public long PromptCacheMemory { get; init; } = s_promptCacheMemory;

    /// <summary>Creates the engine.</summary>
    /// <param name="computeType">The type that the torch engine computes in; null: its choice.</param>
    /// <exception cref="NlftException">An option is out of range or does not go with the engine.</exception>
    public IModelEngine Create(TensorType? computeType = null)
    {
        if (Engine == EngineName.Torch)
        {
            OptionCheck.Require(PromptCacheMemory == 0 || PromptCacheMemory == s_promptCacheMemory, nameof(PromptCacheMemory), PromptCacheMemory,
                "nothing or 0 with the torch engine, which keeps no prompts", "Leave it out.");
            return new TorchSharpEngine(new()
            {
                Device = Device,
                ComputeType = computeType,
                Threads = Threads,
                Int8Weights = Int8Weights,
                Int4Weights = Int4Weights,
                RecomputeActivations = RecomputeActivations,
            });
        }
        OptionCheck.Require(Device is null or "cpu", nameof(Device), Device, "cpu with the managed engine", "Add --engine torch to use a GPU.");
        return new ManagedEngine(new ManagedEngineOptions
        {
            Threads = Threads,
            Int8Weights = Int8Weights,
            Int4Weights = Int4Weights,
            ActivationMemory = RecomputeActivations ? 0 : null,
            PromptCacheMemory = PromptCacheMemory,
        });
    }
}
