using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.Engines.Managed.Layers;
using Microsoft.ML.Nlft.Models;

namespace Microsoft.ML.Nlft.Engines.Managed;

/// <summary>Decoding with a key/value cache per sequence: the prompts run as one packed batch, then one row per live sequence and step.</summary>
internal sealed class ManagedDecodingSession : IDecodingSession
{
    private readonly ManagedLanguageModel _model;
    private readonly KeyValueCache[] _caches;
    private readonly int[] _lengths;
    private readonly int[] _rows; // row of every sequence in _logits, -1 when retired
    private Matrix _logits;

    public ManagedDecodingSession(ManagedLanguageModel model, IReadOnlyList<ReadOnlyMemory<int>> prompts, int maximumNewTokens, CancellationToken cancellationToken)
    {
        if (prompts.Count == 0) throw new ArgumentException("There is no prompt.", nameof(prompts));
        ArgumentOutOfRangeException.ThrowIfNegative(maximumNewTokens);
        _model = model;
        var batch = PackedBatch.Create(prompts, model.Configuration);
        _lengths = [.. prompts.Select(prompt => prompt.Length)];
        _caches = [.. _lengths.Select(length => new KeyValueCache(model.Configuration, Math.Min(model.Configuration.MaximumPositions, length + maximumNewTokens)))];
        _rows = [.. Enumerable.Range(0, prompts.Count)];

        var context = model.Context(batch, training: false);
        var last = Enumerable.Range(0, prompts.Count).Select(s => batch.Starts[s + 1] - 1).ToArray();
        Run(context, last, cancellationToken, (layer, index, a) =>
        {
            for (var s = 0; s < _caches.Length; s++)
                _caches[s].Append(index, a.Key.RowRange(batch.Starts[s], batch.Length(s)), a.Value.RowRange(batch.Starts[s], batch.Length(s)));
            layer.Attention.Forward(context, a.Query, a.Key, a.Value, a.Attended);
        });
    }

    public int Count => _rows.Length;

    public ReadOnlySpan<float> Logits(int sequence) =>
        _rows[sequence] >= 0 ? _logits[_rows[sequence]] : throw new InvalidOperationException($"Sequence {sequence} was retired.");

    public void Append(ReadOnlySpan<int> tokens, CancellationToken cancellationToken = default)
    {
        if (tokens.Length != Count) throw new ArgumentException($"{tokens.Length} tokens for {Count} sequences.", nameof(tokens));
        List<int> live = [], ids = [], positions = [];
        for (var s = 0; s < Count; s++)
        {
            if (tokens[s] < 0) _rows[s] = -1;
            if (_rows[s] < 0) continue;
            if (_lengths[s] >= _model.Configuration.MaximumPositions)
                throw new NlftException($"sequence {s}", $"{_lengths[s] + 1} tokens", $"at most {_model.Configuration.MaximumPositions} (max_position_embeddings)",
                    "Lower the limit of new tokens or shorten the prompt.");
            _rows[s] = live.Count;
            live.Add(s);
            ids.Add(tokens[s]);
            positions.Add(_lengths[s]++);
        }
        if (live.Count == 0) return;
        var batch = PackedBatch.Step([.. ids], [.. positions], _model.Configuration);
        var context = _model.Context(batch, training: false);
        KeyValueCache[] caches = [.. live.Select(s => _caches[s])];
        Run(context, [.. Enumerable.Range(0, live.Count)], cancellationToken, (layer, index, a) =>
        {
            for (var row = 0; row < caches.Length; row++) caches[row].Append(index, a.Key.RowRange(row, 1), a.Value.RowRange(row, 1));
            layer.Attention.Decode(context, a.Query, caches, index, a.Attended);
        });
    }

    public void Dispose() { }

    /// <summary>Runs the batch through all layers and leaves the logits of <paramref name="rows"/>.</summary>
    private void Run(EngineContext context, int[] rows, CancellationToken cancellationToken, Action<DecoderLayer, int, LayerActivations> attend)
    {
        var c = _model.Configuration;
        var rope = _model.Rope(context.Batch);
        Matrix x = _model.Embed(context), y = context.Rent(context.Batch.Rows, c.HiddenSize);
        using (var activations = new LayerActivations(context, c))
            for (var i = 0; i < c.LayerCount; i++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var (layer, index) = (_model.Network.Layers[i], i);
                layer.Forward(context, rope, x, activations, y, a => attend(layer, index, a));
                (x, y) = (y, x);
            }
        var hidden = context.Rent(rows.Length, c.HiddenSize);
        for (var i = 0; i < rows.Length; i++) x[rows[i]].CopyTo(hidden[i]);
        _model.Network.FinalNorm.Forward(context, hidden, hidden);
        if (_logits.Rows != rows.Length) _logits = Matrix.Zeros(rows.Length, c.VocabularySize);
        _model.Network.Head.Logits(context, hidden, _logits);
        context.Return(x);
        context.Return(y);
        context.Return(hidden);
    }
}
