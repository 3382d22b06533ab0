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
    public ICausalLanguageModel Load(ModelLoadOptions options, CancellationToken cancellationToken = default) =>
        new ManagedLanguageModel(Options, options, cancellationToken);
}
