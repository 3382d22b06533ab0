using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;

namespace Microsoft.ML.Nlft.Tool.Options;

/// <summary>Settings of the managed CPU engine.</summary>
internal sealed record EngineOptions
{
    /// <summary>Most threads to use; 0: one per processor. Results do not depend on it. Default 0.</summary>
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

    /// <summary>Creates the engine.</summary>
    public IModelEngine Create() => new ManagedEngine(new ManagedEngineOptions
    {
        Threads = Threads,
        Int8Weights = Int8Weights,
        ActivationMemory = RecomputeActivations ? 0 : null,
    });
}
