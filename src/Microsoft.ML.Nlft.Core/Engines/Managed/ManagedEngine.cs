using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Engines.Managed;

/// <summary>
/// Runs models on the CPU, in C# with SIMD and without native code. Frozen weights keep the type of the file or become int8; arithmetic is float32.
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
        Options = options;
    }

    /// <summary>Gets the options of the engine.</summary>
    public ManagedEngineOptions Options { get; }

    /// <inheritdoc/>
    public string Name => "managed";

    /// <inheritdoc/>
    public string Arithmetic => Options.Int8Weights ? "managed, int8 weights" : Name;

    /// <inheritdoc/>
    public ICausalLanguageModel Load(ModelLoadOptions options, CancellationToken cancellationToken = default) =>
        new ManagedLanguageModel(Options, options, cancellationToken);
}
