using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.TorchSharp.Layers;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.Nlft.TorchSharp;

/// <summary>
/// Decodes with a key/value cache: the prompts run as one packed batch, then each step runs one row per sequence, all rows in one launch per
/// operation. Only token ids are copied to the device and only chosen tokens back, or logits where they are asked for. A retired sequence continues
/// as a dummy row, since the weights are read for the others anyway. When the rotation of a sequence changes as it grows, its prompt and answer run
/// again and replace its keys and values.
/// </summary>
internal sealed class TorchDecodingSession : IChoosingSession
{
    private const int InitialNewTokens = 64; // capacity of the cache for new tokens before it grows

    private readonly TorchLanguageModel _model;
    private readonly ModelConfiguration _configuration;
    private readonly KeyValueCache _cache;
    private readonly CappedAttention? _capped;
    private readonly List<int>[] _tokens;
    private readonly bool[] _retired;
    private readonly Tensor _logits; // [B, V]
    private float[]? _copy; // of the logits

    public TorchDecodingSession(TorchLanguageModel model, IReadOnlyList<ReadOnlyMemory<int>> prompts, int maximumNewTokens,
        CancellationToken cancellationToken)
    {
        if (prompts.Count == 0) throw new ArgumentException("There is no prompt.", nameof(prompts));
        ArgumentOutOfRangeException.ThrowIfNegative(maximumNewTokens);
        (_model, _configuration, _capped) = (model, model.Configuration, CappedAttention.Of(model.Configuration));
        _tokens = [.. prompts.Select(prompt => new List<int>(prompt.ToArray()))];
        _retired = new bool[prompts.Count];
        _cache = new KeyValueCache(_configuration, model.Context, prompts.Count,
            Math.Min(_configuration.MaximumPositions, _tokens.Max(tokens => tokens.Count) + Math.Min(maximumNewTokens, InitialNewTokens)));
        try
        {
            using var scope = NewDisposeScope();
            _logits = Prefill(prompts, firstSequence: 0, cancellationToken).DetachFromDisposeScope();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public int Count => _tokens.Length;

    public ReadOnlySpan<float> Logits(int sequence)
    {
        if (_retired[sequence]) throw new InvalidOperationException($"Sequence {sequence} was retired.");
        _copy ??= _model.Run(() => TorchLanguageModel.ToHost(_logits));
        return _copy.AsSpan(sequence * _configuration.VocabularySize, _configuration.VocabularySize);
    }

    public int[] Choose(IReadOnlyList<TokenChoice?> choices)
    {
        if (choices.Count != Count) throw new ArgumentException($"{choices.Count} choices for {Count} sequences.", nameof(choices));
        int[] rows = [.. Enumerable.Range(0, Count).Where(s => choices[s] is not null)];
        var tokens = new int[Count];
        Array.Fill(tokens, -1);
        if (rows.Length == 0) return tokens;
        using var scope = NewDisposeScope();
        var chosen = _model.Run(() => DeviceSampler.Choose(rows.Length == Count ? _logits : _logits.index_select(0, _model.Context.Indices(rows)),
            [.. rows.Select(row => choices[row]!.Value)]));
        for (var i = 0; i < rows.Length; i++) tokens[rows[i]] = chosen[i];
        return tokens;
    }

    public void Append(ReadOnlySpan<int> tokens, CancellationToken cancellationToken = default)
    {
        if (tokens.Length != Count) throw new ArgumentException($"{tokens.Length} tokens for {Count} sequences.", nameof(tokens));
        var (ids, positions) = (new int[Count], new int[Count]);
        for (var s = 0; s < Count; s++)
        {
            _retired[s] |= tokens[s] < 0;
            if (!_retired[s] && _tokens[s].Count >= _configuration.MaximumPositions)
            {
                throw new NlftException($"sequence {s}", $"{_tokens[s].Count + 1} tokens", $"at most {_configuration.MaximumPositions} "
                    + "(max_position_embeddings)",
                    "Lower the limit of new tokens or shorten the prompt.");
            }
            (ids[s], positions[s]) = _retired[s] ? (0, _tokens[s].Count - 1) : (tokens[s], _tokens[s].Count);
        }
        if (Array.TrueForAll(_retired, retired => retired)) return;
        var batch = PackedBatch.Step(ids, positions, _configuration);
        for (var s = 0; s < Count; s++)
            if (!_retired[s]) _tokens[s].Add(tokens[s]);
        using var scope = NewDisposeScope();
        _copy = null;
        _logits.copy_(_model.Run(() => Step(batch, cancellationToken)));
        for (var s = 0; s < Count; s++)
        {
            if (_retired[s] || !RopeFrequencies.StartAnew(_configuration.Rope, _tokens[s].Count)) continue;
            var sequence = s;
            _logits.narrow(0, s, 1).copy_(_model.Run(() => Prefill([_tokens[sequence].ToArray()], sequence, cancellationToken)));
        }
    }

    public void Dispose()
    {
        _cache.Dispose();
        _logits?.Dispose();
    }

    /// <summary>Fills the cache of whole sequences, from the number of the first one on, and returns the logits that follow them.</summary>
    private Tensor Prefill(IReadOnlyList<ReadOnlyMemory<int>> sequences, int firstSequence, CancellationToken cancellationToken)
    {
        var batch = PackedBatch.Create(sequences, _configuration);
        using var attention = new PackedAttention(_configuration, batch, _model.Context, _model.Network.Operators);
        return Run(batch, [.. batch.Starts[1..].Select(start => start - 1)], (layer, q, k, v) =>
        {
            _cache.Store(layer, firstSequence, batch, k, v);
            return attention.Forward(layer, q, k, v);
        }, cancellationToken);
    }

    private Tensor Step(PackedBatch batch, CancellationToken cancellationToken)
    {
        using var scope = NewDisposeScope();
        using var off = no_grad();
        var length = batch.Positions.Max() + 1;
        _cache.Reserve(length);
        var slots = _model.Context.Indices([.. batch.Positions.Select((position, s) => s * _cache.Capacity + position)]);
        var masks = Masks(batch.Positions, length);
        return Run(batch, null, (layer, q, k, v) =>
        {
            _cache.Append(layer, slots, k, v);
            var (keys, values) = _cache.Layer(layer, length);
            // the heads that share a key/value head take the place of the queries of one head: [B, kvHeads, group, d]
            var queries = q.view([Count, _configuration.KeyValueHeadCount, -1, _configuration.HeadSize]);
            var mask = masks[_configuration.SlidingWindows[layer]];
            var attended = _capped?.Forward(queries, keys, values, mask)
                ?? functional.scaled_dot_product_attention(queries, keys, values, mask);
            return attended.reshape([Count, -1]);
        }, cancellationToken).MoveToOuterDisposeScope();
    }

    /// <summary>Returns, for every window of the model, the slots that a new query sees: [B, 1, 1, length].</summary>
    private Dictionary<int, Tensor> Masks(int[] positions, int length)
    {
        var distance = _model.Context.Indices(positions).unsqueeze(1) - arange(length, dtype: ScalarType.Int64, device: _model.Context.Device);
        var past = distance.ge(0);
        return _configuration.SlidingWindows.Distinct().ToDictionary(window => window, window =>
            (window > 0 ? past.logical_and(distance.lt(window)) : past).view([Count, 1, 1, length]));
    }

    /// <summary>Runs a batch through all layers and returns the logits of some rows, or of all.</summary>
    private Tensor Run(PackedBatch batch, int[]? rows, Func<int, Tensor, Tensor, Tensor, Tensor> attend, CancellationToken cancellationToken)
    {
        using var scope = NewDisposeScope();
        using var off = no_grad();
        var context = new PassContext { Rotation = _model.Rope.Rows(batch), SlidingRotation = _model.SlidingRope?.Rows(batch), Attend = attend };
        _model.Network.Parameters.UpdateCopy();
        var x = _model.Network.Embedding.Forward(_model.Context, batch, withGraph: false);
        var layers = _model.Network.Layers;
        for (var i = 0; i < layers.Length; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var y = layers[i].Forward(context, x, rows is not null && i == layers.Length - 1 ? _model.Context.Indices(rows) : null);
            x.Dispose();
            x = y;
        }
        return _model.Network.Head.Logits(_model.Network.Head.Input(context, _model.Network.FinalNorm.Forward(x))).MoveToOuterDisposeScope();
    }
}
