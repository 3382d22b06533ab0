using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.Models;

namespace Microsoft.ML.Nlft.Tool.Options;

/// <summary>The managed CPU engine's settings.</summary>
internal sealed record EngineOptions
{
    /// <summary>Most threads to use; 0: one per processor. Results do not depend on it. Default 0.</summary>
    public int Threads { get; init; }

    /// <summary>
    /// Whether a training pass keeps only the input of every layer and computes the rest again on the way back: about a third more
    /// time, far less memory, the same results. Default false.
    /// </summary>
    public bool RecomputeActivations { get; init; }

    /// <summary>The engine.</summary>
    public IModelEngine Create() => new ManagedEngine(Threads, RecomputeActivations);
}
