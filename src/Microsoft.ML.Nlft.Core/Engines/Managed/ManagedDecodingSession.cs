using System.Runtime.InteropServices;
using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.Engines.Managed.Layers;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed;

/// <summary>
/// Decoding with a key/value cache per sequence. The prompts run as one packed batch, equal ones once, without the beginnings that the model's
/// <see cref="PromptCache"/> holds; in its last layer only the last token of each prompt is computed. Each step then adds one row per live sequence.
/// A step allocates memory only when a cache takes a new page, when it has more or fewer tokens than the one before, or when the rotation of a
/// sequence changes as it grows: then its prompt and answer run again, into a new cache.
/// </summary>
internal sealed class ManagedDecodingSession : IDraftingSession
{
    private readonly ManagedLanguageModel _model;
    private readonly KeyValueCache[] _caches;
    private readonly int[] _cachedTokens;
    private readonly List<int>[] _tokens;
    private readonly int[] _rows; // the row of every sequence in _logits, -1 once retired
    private DecodingStep? _step;
    private Matrix _logits;

    public ManagedDecodingSession(ManagedLanguageModel model, IReadOnlyList<ReadOnlyMemory<int>> prompts, int maximumNewTokens,
        CancellationToken cancellationToken)
    {
        if (prompts.Count == 0) throw new ArgumentException("There is no prompt.", nameof(prompts));
        ArgumentOutOfRangeException.ThrowIfNegative(maximumNewTokens);
        _model = model;
        _tokens = [.. prompts.Select(prompt => new List<int>(prompt.ToArray()))];
        _rows = [.. Enumerable.Range(0, prompts.Count)];
        _logits = Matrix.Zeros(Count, model.Configuration.VocabularySize);

        // Several samples of one question have the same prompt: it runs once, and what it gives is theirs too.
        var alike = Enumerable.Range(0, Count).GroupBy(s => prompts[s], SameTokens.Comparer).ToList();
        KeyValueCache[] caches = [.. alike.Select(group => model.PromptCache.Begin(group.Key.Span))];
        int[] cached = [.. caches.Select(cache => cache.Length(0))];
        try
        {
            Prefill([.. alike.Select(group => group.Key)], caches, _logits.RowRange(0, alike.Count), cancellationToken);
        }
        catch
        {
            foreach (var cache in caches) cache.Dispose();
            throw;
        }
        for (var group = 0; group < alike.Count; group++) model.PromptCache.Keep(alike[group].Key.Span, caches[group]);
        (_caches, _cachedTokens) = (new KeyValueCache[Count], new int[Count]);
        for (var group = alike.Count - 1; group >= 0; group--) // backwards: the sequences of a group are not before the row of its logits
        {
            foreach (var s in alike[group])
            {
                _caches[s] = s == alike[group].First() ? caches[group] : caches[group].Fork(prompts[s].Length);
                _cachedTokens[s] = cached[group];
                _logits[group].CopyTo(_logits[s]);
            }
        }
    }

    public int Count => _tokens.Length;

    public ReadOnlySpan<float> Logits(int sequence) =>
        _rows[sequence] >= 0 ? _logits[_rows[sequence]] : throw new InvalidOperationException($"Sequence {sequence} was retired.");

    public int CachedTokens(int sequence) => _cachedTokens[sequence];

    public void Append(ReadOnlySpan<int> tokens, CancellationToken cancellationToken = default)
    {
        if (tokens.Length != Count) throw new ArgumentException($"{tokens.Length} tokens for {Count} sequences.", nameof(tokens));
        for (var s = 0; s < Count; s++)
        {
            if (tokens[s] < 0) Retire(s);
            else if (_rows[s] >= 0) RequireRoom(s);
        }
        var live = 0;
        for (var s = 0; s < Count; s++)
        {
            if (_rows[s] >= 0) _rows[s] = live++;
        }
        if (live == 0) return;
        var step = StepOf(live);
        for (var s = 0; s < Count; s++)
        {
            if (_rows[s] >= 0) Add(step, _rows[s], s, tokens[s]);
        }
        Run(step.Context, step.Context.Rows, step.Activations, step, _logits.RowRange(0, live), cancellationToken);
        for (var s = 0; s < Count; s++)
        {
            if (_rows[s] < 0 || !RopeFrequencies.StartAnew(_model.Configuration.Rope, _tokens[s].Count)) continue;
            _caches[s].Dispose();
            _caches[s] = new KeyValueCache(_model.Configuration, _model.Workspace);
            Prefill([_tokens[s].ToArray()], [_caches[s]], _logits.RowRange(_rows[s], 1), cancellationToken);
        }
    }

    public int MaximumDraft => Count > 1 || RopeFrequencies.DependOnLength(_model.Configuration, _model.Configuration.MaximumPositions) ? 0
        : Math.Max(0, _model.Configuration.MaximumPositions - _tokens[0].Count - 1);

    public void Append(int token, ReadOnlySpan<int> draft, CancellationToken cancellationToken = default)
    {
        if (draft.IsEmpty)
        {
            Append([token], cancellationToken);
            return;
        }
        ArgumentOutOfRangeException.ThrowIfGreaterThan(draft.Length, MaximumDraft, nameof(draft));
        var rows = 1 + draft.Length;
        if (_logits.Rows < rows) _logits = Matrix.Zeros(rows, _model.Configuration.VocabularySize);
        var step = StepOf(rows);
        for (var row = 0; row < rows; row++) Add(step, row, 0, row == 0 ? token : draft[row - 1]);
        Run(step.Context, step.Context.Rows, step.Activations, step, _logits.RowRange(0, rows), cancellationToken);
    }

    public ReadOnlySpan<float> DraftLogits(int tokens) => _logits[tokens];

    public void Forget(int tokens)
    {
        _caches[0].Shorten(tokens);
        _tokens[0].RemoveRange(_tokens[0].Count - tokens, tokens);
    }

    public void Dispose()
    {
        for (var s = 0; s < Count; s++) Retire(s);
        _step?.Dispose();
        _step = null;
    }

    /// <summary>Returns the step of that many tokens: the one before if it has as many.</summary>
    private DecodingStep StepOf(int rows)
    {
        if (_step?.Count == rows) return _step;
        _step?.Dispose();
        return _step = new DecodingStep(_model, rows, inDigits: Count == 1);
    }

    /// <summary>Adds a token to a sequence and to a row of the step.</summary>
    private void Add(DecodingStep step, int row, int sequence, int token)
    {
        step.Set(row, token, _tokens[sequence].Count, _caches[sequence]);
        _tokens[sequence].Add(token);
    }

    private void RequireRoom(int sequence)
    {
        var most = _model.Configuration.MaximumPositions;
        if (_tokens[sequence].Count < most) return;
        throw new NlftException($"sequence {sequence}", $"{_tokens[sequence].Count + 1} tokens", $"at most {most} (max_position_embeddings)",
            "Lower the limit of new tokens or shorten the prompt.");
    }

    private void Retire(int sequence)
    {
        _rows[sequence] = -1;
        _caches[sequence].Dispose();
    }

    /// <summary>Fills the caches of whole sequences, which may hold their beginnings, and computes the logits that follow them.</summary>
    private void Prefill(IReadOnlyList<ReadOnlyMemory<int>> sequences, KeyValueCache[] caches, Matrix logits, CancellationToken cancellationToken)
    {
        var whole = PackedBatch.Create(sequences, _model.Configuration);
        var beginnings = SharedBeginnings.Of(whole, [.. sequences.Select(tokens => tokens.Length - 1)], _model.Configuration, caches);
        var batch = beginnings?.Own ?? whole;
        var context = _model.Context(batch, training: false);
        var ends = QueryRows.Ends(batch, [.. Enumerable.Repeat(1, batch.Count)], before: 0);
        using var pipeline = LayerPipeline.Of(_model.Network, context, _model.Ropes(batch), ends, beginnings, caches);
        if (pipeline is null)
        {
            using var activations = new LayerActivations(context, _model.Configuration, batch.Rows);
            Run(context, ends, activations, new PrefillAttention(caches, beginnings), logits, cancellationToken);
            return;
        }
        Matrix x = _model.Network.Embedding.Forward(context), y = context.Rent(x.Rows, x.Columns), hidden = context.Rent(ends.Rows, x.Columns);
        var layers = _model.Network.Layers.Length;
        pipeline.Run([.. Enumerable.Range(0, layers).Select(i => i % 2 == 0 ? x : y), hidden], new LayerActivations?[layers], cancellationToken);
        Finish(context, hidden, logits);
        context.Return(x);
        context.Return(y);
    }

    /// <summary>Runs the batch through all layers and computes the logits of <paramref name="rows"/>, one for each live sequence.</summary>
    private void Run(EngineContext context, QueryRows rows, LayerActivations activations, IWiderAttention attention, Matrix logits,
        CancellationToken cancellationToken)
    {
        var (layers, ropes) = (_model.Network.Layers, _model.Ropes(context.Batch));
        Matrix x = _model.Network.Embedding.Forward(context), y = context.Rent(x.Rows, x.Columns), hidden = context.Rent(rows.Rows, x.Columns);
        foreach (var layer in layers.AsSpan(..^1))
        {
            cancellationToken.ThrowIfCancellationRequested();
            layer.Forward(context, context.Rows, ropes.Of(layer), x, activations, y, attention);
            (x, y) = (y, x);
        }
        using (var few = rows.IsAll ? null : new LayerActivations(context, _model.Configuration, rows.Rows))
        {
            layers[^1].Forward(context, rows, ropes.Of(layers[^1]), x, few ?? activations, hidden, attention);
        }
        Finish(context, hidden, logits);
        context.Return(x);
        context.Return(y);
    }

    /// <summary>Computes logits from the output of the last layer, a rented matrix, which it gives back.</summary>
    private void Finish(EngineContext context, Matrix hidden, Matrix logits)
    {
        _model.Network.FinalNorm.Forward(context, hidden, hidden);
        _model.Network.Head.Logits(context, hidden, logits);
        context.Return(hidden);
    }

    private sealed class SameTokens : IEqualityComparer<ReadOnlyMemory<int>>
    {
        public static readonly SameTokens Comparer = new();

        public bool Equals(ReadOnlyMemory<int> x, ReadOnlyMemory<int> y) => x.Span.SequenceEqual(y.Span);

        public int GetHashCode(ReadOnlyMemory<int> tokens)
        {
            var hash = new HashCode();
            hash.AddBytes(MemoryMarshal.AsBytes(tokens.Span));
            return hash.ToHashCode();
        }
    }

    /// <summary>Attention within the prompts, which also fills the caches.</summary>
    private sealed class PrefillAttention(KeyValueCache[] caches, SharedBeginnings? beginnings) : IWiderAttention
    {
        public void Attend(EngineContext context, DecoderLayer layer, LayerActivations a)
        {
            using var whole = beginnings?.Expand(context, layer, a);
            var (all, key, value) = whole is null ? (context, a.Key, a.Value) : (whole.Context, whole.Key, whole.Value);
            layer.Attention.Store(all, key, value, caches, layer.Index);
            layer.Attention.Forward(all, a.Query, key, value, a.Attended, a.LogSums);
        }
    }
}
