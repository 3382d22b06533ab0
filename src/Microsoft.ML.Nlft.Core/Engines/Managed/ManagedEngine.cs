using Microsoft.ML.Nlft.Models;

namespace Microsoft.ML.Nlft.Engines.Managed;

/// <summary>The built-in CPU engine: C# and SIMD, no native code.</summary>
public sealed class ManagedEngine : IModelEngine
{
    /// <summary>Creates an engine.</summary>
    /// <param name="threads">Most threads to use, 1 or more; 0: one per processor. Results do not depend on it.</param>
    public ManagedEngine(int threads = 0) => Threads = threads == 0 ? Environment.ProcessorCount : threads;

    /// <summary>Most threads in use.</summary>
    public int Threads { get; }

    /// <inheritdoc/>
    public string Name => "managed";

    /// <inheritdoc/>
    public ICausalLanguageModel Load(ModelLoadOptions options, CancellationToken cancellationToken = default) => throw new NotSupportedException();
}
