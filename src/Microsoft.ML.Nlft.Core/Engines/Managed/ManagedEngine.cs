using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Engines.Managed;

/// <summary>
/// Runs models on the CPU, in C# with SIMD and without native code. Frozen weights keep the type of the file, or take 8 or 4 bits; arithmetic is
/// float32.
/// </summary>
public sealed class ManagedEngine : IModelEngine
{
    /// <summary>Creates an engine with default options.</summary>
    /// <param name="threads">Maximum number of threads; 0 for one per processor. Results do not depend on it. Default 0.</param>
    /// <exception cref="NlftException"><paramref name="threads"/> is negative.</exception>
    public ManagedEngine(int threads = 0) : this(new ManagedEngineOptions { Threads = threads }) { }

    /// <summary>Creates an engine with the given options.</summary>
    /// <param name="options">The options.</param>
    /// <exception cref="NlftException">An option is out of range.</exception>
    public ManagedEngine(ManagedEngineOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        OptionCheck.Require(options.Threads >= 0, nameof(options.Threads), options.Threads,
            "0 (one per processor) or more", "Leave it out to use every processor.");
        OptionCheck.Require(options.ActivationMemory is null or >= 0, nameof(options.ActivationMemory), options.ActivationMemory,
            "0 bytes or more", "Leave it out to use half of the available memory.");
        OptionCheck.Require(options.PromptCacheMemory >= 0, nameof(options.PromptCacheMemory), options.PromptCacheMemory,
            "0 bytes (keep nothing) or more", "Leave it out for 256 MiB.");
        OptionCheck.Require(!(options.Int8Weights && options.Int4Weights), nameof(options.Int4Weights), true,
            "false with Int8Weights", "Set one of the two.");
        Options = options;
    }

    /// <summary>Gets the options of the engine.</summary>
    public ManagedEngineOptions Options { get; }

    /// <inheritdoc/>
    public string Name => "managed";

    /// <inheritdoc/>
    public string Arithmetic => Options.Int4Weights ? "managed, int4 weights" : Options.Int8Weights ? "managed, int8 weights" : Name;

    /// <inheritdoc/>
    public MemoryNeed? Estimate(MemoryRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        var (all, estimate) = (request.Trainable == TrainableWeights.All, new MemoryEstimate(request.Model, storedBytes: 0, rows: 1, request.Tokens));
        var packed = Options.Int8Weights || Options.Int4Weights; // outside the heap of .NET, which has the limit
        var frozen = all || packed ? 0 : request.WeightBytes;
        var trained = all ? estimate.Parameters : request.Lora is { } lora ? MemoryEstimate.AdapterParameters(lora, request.Model) : 0;
        var need = new MemoryNeed
        {
            Weights = frozen,
            Trained = request.Trainable == TrainableWeights.None ? 0 : MemoryEstimate.Trained(trained),
            Activations = request.Tokens == 0 ? 0 : request.ScoresOnly ? estimate.ScoringActivations : estimate.Activations(recompute: true),
            Available = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes,
        };
        var savings = new List<MemorySaving>();
        foreach (var (option, weights) in new[] { ("Int8Weights", estimate.Int8Weights), ("Int4Weights", estimate.Int4Weights) })
        {
            if (weights < (savings.Count > 0 ? savings[^1].Need.Weights : frozen))
                savings.Add(new($"set {option} of the engine", need with { Weights = weights }));
        }
        return need with { Savings = savings };
    }

    /// <inheritdoc/>
    public ICausalLanguageModel Load(ModelLoadOptions options, CancellationToken cancellationToken = default) =>
        new ManagedLanguageModel(Options, options, cancellationToken);
}
