using Microsoft.ML.Nlft.Engines.Managed.Layers;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed;

/// <summary>
/// One step of decoding, a token for each of several sequences or several tokens of one: the buffers that all steps share, and the tokens,
/// positions and caches of the current one.
/// </summary>
internal sealed class DecodingStep : IWiderAttention, IDisposable
{
    private readonly ModelConfiguration _configuration;
    private readonly KeyValueCache[] _caches;

    /// <summary>Allocates the buffers.</summary>
    /// <param name="model">The model.</param>
    /// <param name="count">Number of tokens.</param>
    /// <param name="inDigits">Whether weights of 4 bits are multiplied in whole numbers.</param>
    public DecodingStep(ManagedLanguageModel model, int count, bool inDigits)
    {
        _configuration = model.Configuration;
        _caches = new KeyValueCache[count];
        Context = model.Context(PackedBatch.Step(new int[count], new int[count], _configuration), training: false) with { InDigits = inDigits };
        Activations = new LayerActivations(Context, _configuration, count);
    }

    /// <summary>Number of tokens.</summary>
    public int Count => _caches.Length;

    public EngineContext Context { get; }

    public LayerActivations Activations { get; }

    /// <summary>Sets the token of a row, its position, and the cache of its sequence.</summary>
    public void Set(int row, int token, int position, KeyValueCache cache)
    {
        var batch = Context.Batch;
        (batch.Tokens[row], batch.Positions[row], _caches[row]) = (token, position, cache);
        TokenCheck.RequireInVocabulary(batch.Tokens.AsSpan(row, 1), "next tokens", _configuration);
    }

    public void Attend(EngineContext context, DecoderLayer layer, LayerActivations a) =>
        layer.Attention.Decode(context, a.Query, a.Key, a.Value, _caches, layer.Index, a.Attended);

    public void Dispose() => Activations.Dispose();
}
