using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.TorchSharp.Layers;

namespace Microsoft.ML.Nlft.TorchSharp;

/// <summary>
/// Runs a packed batch through the network. For training, every layer has a graph of its own, from its input to its output; if activations are
/// recomputed, only the input is kept, and the backward pass builds the graph when it reaches the layer.
/// </summary>
internal sealed class TorchForwardPass : IForwardPass
{
    private readonly TorchLanguageModel _model;
    private readonly List<Tensor> _owned = [];
    private readonly PassContext _context;
    private readonly PackedAttention _attention;
    private readonly AskedTokens _asked;
    private readonly Tensor _predicting, _tokens, _logSums; // the R rows that predict a response token, what is asked for there [R, K], and [R, 1]
    private readonly LayerGraph?[] _graphs; // of every layer from the lowest trainable one on
    private readonly Graph? _top; // the final norm, at the rows that predict a response token: the last layer gives these alone
    private readonly Tensor? _embedded; // with its graph when the embedding is trained
    private bool _usable;

    public TorchForwardPass(TorchLanguageModel model, IReadOnlyList<TokenSequence> sequences, bool hiddenStates, bool keep,
        CancellationToken cancellationToken)
    {
        (_model, _usable) = (model, keep);
        var batch = PackedBatch.Create([.. sequences.Select(s => s.Tokens)], model.Configuration, [.. sequences.Select(s => s.DropoutSeed)]);
        _asked = AskedTokens.Of(sequences, model.Configuration);
        _attention = new PackedAttention(model.Configuration, batch, model.Context, model.Network.Operators);
        _graphs = new LayerGraph?[model.Network.Layers.Length];
        using var scope = NewDisposeScope();
        using var off = no_grad();
        model.Network.Parameters.UpdateCopy();
        try
        {
            (_predicting, _tokens) = (Own(model.Context.Indices(_asked.PackedRows())), Own(model.Context.Indices(Padded(_asked.Tokens, own: true))
                .reshape(_asked.Rows, _asked.Widest)));
            var (rotation, sliding) = (Own(model.Rope.Rows(batch)), model.SlidingRope?.Rows(batch));
            var dropout = keep && model.Network.DropoutKeys is { } keys ? new Dropout(batch, keys) : null;
            if (dropout is not null) Own(dropout.Rows);
            _context = new PassContext
            {
                Rotation = rotation,
                SlidingRotation = sliding is { } own ? Own(own) : null,
                Attend = _attention.Forward,
                Dropout = dropout,
            };
            var x = model.Network.Embedding.Forward(model.Context, batch, withGraph: keep);
            if (x.requires_grad) x = (_embedded = Own(x)).detach();
            for (var i = 0; i < _graphs.Length; i++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var y = keep && i >= model.Network.FirstTrainable ? Keep(i, x) : model.Network.Layers[i].Forward(_context, x, RowsOf(i));
                x.Dispose();
                x = y;
            }
            _top = new Graph(x.detach(), needsGradient: keep);
            using (set_grad_enabled(keep)) _top.Keep(Top());
            var output = _top.Output!.detach();
            var results = model.Network.Head.Forward(output, _tokens, _asked.Likeliest);
            _logSums = Own(results.narrow(1, _asked.Widest, 1));
            Scores = ReadScores(results, hiddenStates ? output.narrow(1, 0, model.Configuration.HiddenSize) : null);

            Tensor Top() => model.Network.Head.Input(_context, model.Network.FinalNorm.Forward(_top.Input), _predicting);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public IReadOnlyList<TokenScores> Scores { get; }

    public void Backward(IReadOnlyList<ReadOnlyMemory<float>> coefficients, CancellationToken cancellationToken = default)
    {
        if (!_usable) throw new InvalidOperationException("A forward pass can be differentiated once.");
        _usable = false;
        _model.Run(() => Backward(_asked.Flatten(coefficients), cancellationToken));
    }

    public void Dispose()
    {
        _usable = false;
        foreach (var graph in _graphs) graph?.Dispose();
        _top?.Dispose();
        foreach (var tensor in _owned) tensor.Dispose();
        _owned.Clear();
        _attention.Dispose();
    }

    private bool Backward(float[] coefficients, CancellationToken cancellationToken)
    {
        using var scope = NewDisposeScope();
        var network = _model.Network;
        var c = tensor(Padded(coefficients), [_asked.Rows, _asked.Widest], device: _model.Context.Device);
        Tensor gradient;
        using (no_grad()) gradient = network.Head.Backward(_top!.Output!.detach(), _tokens, _logSums, c).to_type(_model.Context.ComputeType);
        gradient = _top.Backward(gradient);
        for (var i = _graphs.Length - 1; i >= network.FirstTrainable; i--)
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var layer = NewDisposeScope();
            var next = _graphs[i]!.Backward(_context, gradient);
            gradient.Dispose();
            gradient = next.MoveToOuterDisposeScope();
        }
        _embedded?.backward([gradient]);
        network.Parameters.AddCopyGradients();
        return true;
    }

    /// <summary>
    /// Runs a layer so that it can be differentiated later. The last layer is never recomputed, because the backward pass starts there.
    /// </summary>
    private Tensor Keep(int index, Tensor x)
    {
        var first = index == _model.Network.FirstTrainable && _embedded is null;
        _graphs[index] = new LayerGraph(_model.Network.Layers[index], x.detach(), RowsOf(index), needsGradient: !first);
        return _graphs[index]!.Forward(_context, recompute: _model.Recompute && index < _graphs.Length - 1);
    }

    /// <summary>Returns the rows whose outputs are needed, null for all: after the last layer, only those that predict.</summary>
    private Tensor? RowsOf(int layer) => layer == _graphs.Length - 1 ? _predicting : null;

    /// <summary>
    /// Brings values of the asked tokens to the same number for every row, [R x K]: fills up with 0, or with the row's first value.
    /// </summary>
    private T[] Padded<T>(T[] values, bool own = false)
    {
        var padded = new T[_asked.Rows * _asked.Widest];
        for (var row = 0; row < _asked.Rows; row++)
        {
            var first = _asked.Firsts[row];
            var target = padded.AsSpan(row * _asked.Widest, _asked.Widest);
            if (own) target.Fill(values[first]);
            values.AsSpan(first, _asked.Firsts[row + 1] - first).CopyTo(target);
        }
        return padded;
    }

    /// <summary>Reads the columns of <see cref="TokenHead.Forward"/>.</summary>
    private IReadOnlyList<TokenScores> ReadScores(Tensor results, Tensor? hidden)
    {
        int columns = (int)results.shape[1], count = _asked.Likeliest, width = _model.Configuration.HiddenSize;
        var values = TorchLanguageModel.ToHost(results);
        var states = hidden is null ? [] : TorchLanguageModel.ToHost(hidden);
        var logProbabilities = new float[_asked.Tokens.Length];
        var mostLikely = new bool[_asked.Rows];
        var (ids, likely) = (new int[_asked.Rows * count], new float[_asked.Rows * count]);
        for (var row = 0; row < _asked.Rows; row++)
        {
            var result = values.AsSpan(row * columns, columns);
            result[..(_asked.Firsts[row + 1] - _asked.Firsts[row])].CopyTo(logProbabilities.AsSpan(_asked.Firsts[row]));
            mostLikely[row] = result[_asked.Widest + 1] > 0;
            result.Slice(_asked.Widest + 2, count).CopyTo(likely.AsSpan(row * count));
            for (var i = 0; i < count; i++) ids[row * count + i] = (int)result[_asked.Widest + 2 + count + i];
        }
        return _asked.Scores(logProbabilities, mostLikely, count == 0 ? null : new LikeliestTokens(count, ids, likely), hidden is null ? null
            : s => states.AsMemory((_asked.RowFirsts[s] * width)..(_asked.RowFirsts[s + 1] * width)));
    }

    private Tensor Own(Tensor tensor)
    {
        _owned.Add(tensor.DetachFromDisposeScope());
        return tensor;
    }

    private (Tensor, Tensor) Own((Tensor Cosine, Tensor Sine) rotation) => (Own(rotation.Cosine), Own(rotation.Sine));
}
