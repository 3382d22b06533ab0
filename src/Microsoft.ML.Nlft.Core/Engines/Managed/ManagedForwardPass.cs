using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.Engines.Managed.Layers;

namespace Microsoft.ML.Nlft.Engines.Managed;

/// <summary>
/// One forward pass of a packed batch through the network. The last layer computes only the rows that predict a response token. Without a backward
/// pass, a common beginning of several sequences is computed once (<see cref="SharedBeginnings"/>). For training, the pass stores the input of
/// every layer, and the activations of as many layers as the budget allows; the other layers recompute theirs.
/// </summary>
internal sealed class ManagedForwardPass : IForwardPass
{
    private readonly ManagedLanguageModel _model;
    private readonly EngineContext _context;
    private readonly LayerRopes _ropes;
    private readonly List<Matrix> _rented = [];
    private readonly SharedBeginnings? _beginnings;
    private readonly QueryRows _predicting;
    private readonly AskedTokens _asked; // at these rows
    private readonly Matrix[] _inputs; // of every layer and of the final norm
    private readonly LayerActivations?[] _activations; // null for the lower layers, which recompute theirs
    private readonly float[] _logProbabilities, _logSums;
    private readonly Matrix _hidden, _headMean; // the output of the final norm, and what the head stores for the backward pass, [R x H]
    private LayerActivations? _shared; // of the recomputed layers, one after another
    private bool _differentiable;

    public ManagedForwardPass(ManagedLanguageModel model, IReadOnlyList<TokenSequence> sequences, bool hiddenStates, bool training,
        CancellationToken cancellationToken)
    {
        (_model, _differentiable) = (model, training);
        var whole = PackedBatch.Create([.. sequences.Select(s => s.Tokens)], model.Configuration, [.. sequences.Select(s => s.DropoutSeed)]);
        _beginnings = training ? null : SharedBeginnings.Of(whole, [.. sequences.Select(s => s.PromptLength - 1)], model.Configuration);
        var batch = _beginnings?.Own ?? whole;
        _context = model.Context(batch, training);
        _ropes = model.Ropes(batch);
        _asked = AskedTokens.Of(sequences, model.Configuration);
        _predicting = QueryRows.Ends(batch, [.. sequences.Select(s => s.ResponseLength)], before: 1);

        var (layers, hiddenSize) = (model.Network.Layers, model.Configuration.HiddenSize);
        (_inputs, _activations) = (new Matrix[layers.Length + 1], new LayerActivations?[layers.Length]);
        try
        {
            var stored = training ? Math.Min(layers.Length, model.ActivationMemory / LayerActivations.Size(model.Configuration, batch.Rows)) : 0;
            using var pipeline = LayerPipeline.Of(model.Network, _context, _ropes, _predicting, _beginnings);
            _inputs[0] = Track(model.Network.Embedding.Forward(_context));
            for (var i = 0; i < layers.Length; i++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (layers.Length - i <= stored) _activations[i] = new LayerActivations(_context, model.Configuration, RowsOf(i).Rows);
                // Without a backward pass, two matrices are enough: each layer overwrites the input of the one below.
                var isNew = training || i == 0 || i == layers.Length - 1;
                _inputs[i + 1] = isNew ? Track(_context.Rent(RowsOf(i).Rows, hiddenSize)) : _inputs[i - 1];
                if (pipeline is null) ForwardLayer(i);
            }
            pipeline?.Run(_inputs, _activations, cancellationToken);
            _hidden = Track(_context.Rent(_predicting.Rows, hiddenSize));
            model.Network.FinalNorm.Forward(_context, _inputs[^1], _hidden);

            (_logProbabilities, _logSums) = (new float[_asked.Tokens.Length], new float[_asked.Rows]);
            var mostLikely = new bool[_asked.Rows];
            var likeliest = _asked.Likeliest == 0 ? null : LikeliestTokens.Empty(_asked.Rows, _asked.Likeliest);
            if (training) _headMean = Track(_context.Rent(_hidden.Rows, hiddenSize));
            model.Network.Head.Forward(HeadContext, _hidden, _asked, _logProbabilities, _logSums, mostLikely, training ? _headMean : null, likeliest);
            Scores = _asked.Scores(_logProbabilities, mostLikely, likeliest, hiddenStates ? HiddenStates : null);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public IReadOnlyList<TokenScores> Scores { get; }

    /// <summary>The rows of one sequence: memory of the pass if the caller gets the pass, else a copy.</summary>
    private ReadOnlyMemory<float> HiddenStates(int sequence)
    {
        var rows = _hidden.RowRange(_asked.RowFirsts[sequence], _asked.RowFirsts[sequence + 1] - _asked.RowFirsts[sequence]);
        return _differentiable ? rows.Data.AsMemory(rows.Offset, rows.Rows * rows.Columns) : rows.Span.ToArray();
    }

    public void Backward(IReadOnlyList<ReadOnlyMemory<float>> coefficients, CancellationToken cancellationToken = default)
    {
        if (!_differentiable) throw new InvalidOperationException("A forward pass can be differentiated once.");
        _differentiable = false;
        var network = _model.Network;
        Matrix dHidden = _headMean, gradient = Track(_context.Rent(_context.Batch.Rows, _hidden.Columns));
        network.Head.Backward(HeadContext, _hidden, _asked, _logProbabilities, _logSums, _asked.Flatten(coefficients), dHidden);
        network.FinalNorm.Backward(_context, _inputs[^1], dHidden, dHidden, accumulate: false);

        var lowest = network.LowestGradient;
        for (var i = network.Layers.Length - 1; i >= Math.Max(0, lowest - 1); i--)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (_activations[i] is null) ForwardLayer(i);
            var upstream = i == network.Layers.Length - 1 ? dHidden : gradient;
            var layer = network.Layers[i];
            layer.Backward(_context, RowsOf(i), _ropes.Of(layer), _inputs[i], ActivationsOf(i), upstream, i < lowest ? null : gradient);
        }
        if (network.Embedding.IsTrainable) network.Embedding.Backward(_context, gradient);
    }

    public void Dispose()
    {
        _differentiable = false;
        foreach (var activations in _activations) activations?.Dispose();
        Array.Clear(_activations);
        _shared?.Dispose();
        _shared = null;
        foreach (var matrix in _rented) _context.Return(matrix);
        _rented.Clear();
    }

    private EngineContext HeadContext => _context with { Rows = _predicting };

    private void ForwardLayer(int index)
    {
        var layer = _model.Network.Layers[index];
        layer.Forward(_context, RowsOf(index), _ropes.Of(layer), _inputs[index], ActivationsOf(index), _inputs[index + 1], _beginnings);
    }

    /// <summary>The rows that a layer computes.</summary>
    private QueryRows RowsOf(int layer) => layer == _model.Network.Layers.Length - 1 ? _predicting : _context.Rows;

    private LayerActivations ActivationsOf(int layer)
    {
        if (_activations[layer] is { } stored) return stored;
        var rows = RowsOf(layer).Rows;
        if (_shared is { } shared && shared.PostAttention.Rows == rows) return shared;
        _shared?.Dispose();
        return _shared = new LayerActivations(_context, _model.Configuration, rows);
    }

    /// <summary>Remembers a rented matrix, to return it when the pass is disposed.</summary>
    private Matrix Track(Matrix matrix)
    {
        _rented.Add(matrix);
        return matrix;
    }
}
