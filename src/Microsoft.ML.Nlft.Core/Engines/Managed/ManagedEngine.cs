using Microsoft.ML.Nlft.Models;

namespace Microsoft.ML.Nlft.Engines.Managed;

/// <summary>
/// The built-in CPU engine: C# and SIMD, no native code. Frozen weights stay in the mapped file in its own type; compute is float32.
/// </summary>
public sealed class ManagedEngine : IModelEngine
{
    /// <summary>Creates an engine.</summary>
    /// <param name="threads">Most threads to use, 1 or more; 0: one per processor. Results do not depend on it.</param>
    /// <param name="recomputeActivations">
    /// Whether a training pass keeps only the input of every layer and computes the rest again on the way back: about a third more
    /// time, far less memory, the same results. Default false.
    /// </param>
    /// <exception cref="NlftException"><paramref name="threads"/> is negative.</exception>
    public ManagedEngine(int threads = 0, bool recomputeActivations = false)
    {
        if (threads < 0) throw new NlftException("option threads", $"{threads}", "0 (one per processor) or more", "Leave it out to use every processor.");
        Threads = threads == 0 ? Environment.ProcessorCount : threads;
        RecomputeActivations = recomputeActivations;
    }

    /// <summary>Most threads in use.</summary>
    public int Threads { get; }

    /// <summary>Whether activations are computed again on the way back.</summary>
    public bool RecomputeActivations { get; }

    /// <inheritdoc/>
    public string Name => "managed";

    /// <inheritdoc/>
    public ICausalLanguageModel Load(ModelLoadOptions options, CancellationToken cancellationToken = default) =>
        new ManagedLanguageModel(this, options, cancellationToken);
}
