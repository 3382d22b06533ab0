using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Engines.Managed;

/// <summary>
/// The built-in CPU engine: C# and SIMD, no native code. Frozen weights stay in the type they have in the file, or in int8; compute is float32.
/// </summary>
public sealed class ManagedEngine : IModelEngine
{
    /// <summary>Creates an engine with default options.</summary>
    /// <param name="threads">Most threads to use, 1 or more; 0: one per processor. Results do not depend on it.</param>
    /// <exception cref="NlftException"><paramref name="threads"/> is negative.</exception>
    public ManagedEngine(int threads = 0) : this(new ManagedEngineOptions { Threads = threads }) { }

    /// <summary>Creates an engine.</summary>
    /// <param name="options">How it works.</param>
    /// <exception cref="NlftException">An option is out of its range.</exception>
    public ManagedEngine(ManagedEngineOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        OptionCheck.Require(options.Threads >= 0, nameof(options.Threads), options.Threads, "0 (one per processor) or more", "Leave it out to use every processor.");
        OptionCheck.Require(options.ActivationMemory is null or >= 0, nameof(options.ActivationMemory), options.ActivationMemory, "0 bytes or more", "Leave it out to use half of the memory there is.");
        Options = options;
    }

    /// <summary>How it works.</summary>
    public ManagedEngineOptions Options { get; }

    /// <inheritdoc/>
    public string Name => "managed";

    /// <inheritdoc/>
    public string Arithmetic => Options.Int8Weights ? "managed, int8 weights" : Name;

    /// <inheritdoc/>
    public MemoryNeed? Estimate(MemoryRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        var (all, estimate) = (request.Trainable == TrainableWeights.All, new MemoryEstimate(request.Model, storedBytes: 0, rows: 1, request.Tokens));
        var frozen = all || Options.Int8Weights ? 0 : request.WeightBytes; // int8 weights lie outside the heap of .NET, which has the limit
        var trained = all ? estimate.Parameters : request.Lora is { } lora ? MemoryEstimate.AdapterParameters(lora, request.Model) : 0;
        return new MemoryNeed
        {
            Weights = frozen,
            Trained = request.Trainable == TrainableWeights.None ? 0 : MemoryEstimate.Trained(trained),
            Activations = request.Tokens == 0 ? 0 : estimate.Activations(recompute: true),
            Available = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes,
            Saving = estimate.Int8Weights < frozen ? new MemorySaving("set Int8Weights of the engine", estimate.Int8Weights) : null,
        };
    }

    /// <inheritdoc/>
    public ICausalLanguageModel Load(ModelLoadOptions options, CancellationToken cancellationToken = default) =>
        new ManagedLanguageModel(Options, options, cancellationToken);
}
