using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.Engines.Managed.Layers;

namespace Microsoft.ML.Nlft.Engines.Managed;

/// <summary>
/// One pass of a packed batch through the network. The last layer computes only the rows that predict a response token. Kept for training, the pass
/// holds the input of every layer, and of as many layers as the budget allows what their backward passes read; the others compute it again.
/// </summary>
internal sealed class ManagedForwardPass : IForwardPass
{
    private readonly ManagedLanguageModel _model;
    private readonly EngineContext _context;
    private readonly RotaryEmbedding _rope;
    private readonly List<Matrix> _rented = [];
    private readonly QueryRows _predicting;
    private readonly int[] _targets, _firsts; // the tokens that these rows predict; the first one of every sequence, and R at the end
    private readonly Matrix[] _inputs; // of every layer, and of the final norm
    private readonly LayerActivations?[] _activations; // of the kept layers, the upper ones
    private readonly float[] _logSums;
    private readonly Matrix _hidden, _headMean; // the final norm's outputs and what the head keeps for the way back, R x H
    private LayerActivations? _shared; // of the other layers, in turn
    private bool _usable;

    public ManagedForwardPass(ManagedLanguageModel model, IReadOnlyList<TokenSequence> sequences, bool hiddenStates, bool keep, CancellationToken cancellationToken)
    {
        (_model, _usable) = (model, keep);
        var batch = PackedBatch.Create([.. sequences.Select(s => s.Tokens)], model.Configuration, [.. sequences.Select(s => s.DropoutSeed)]);
        _context = model.Context(batch, training: keep);
        _rope = model.Rope(batch);
        (_, _targets, _firsts) = batch.Responses(sequences);
        _predicting = QueryRows.Ends(batch, [.. sequences.Select(s => s.ResponseLength)], before: 1);

        var (layers, hiddenSize) = (model.Network.Layers, model.Configuration.HiddenSize);
        (_inputs, _activations) = (new Matrix[layers.Length + 1], new LayerActivations?[layers.Length]);
        try
        {
            var kept = keep ? Math.Min(layers.Length, model.ActivationMemory / LayerActivations.Size(model.Configuration, batch.Rows)) : 0;
            _inputs[0] = Own(model.Embed(_context));
            for (var i = 0; i < layers.Length; i++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (layers.Length - i <= kept) _activations[i] = new LayerActivations(_context, model.Configuration, RowsOf(i).Rows);
                _inputs[i + 1] = keep || i == 0 || i == layers.Length - 1 ? Own(_context.Rent(RowsOf(i).Rows, hiddenSize)) : _inputs[i - 1]; // two in turn when nothing is kept
                ForwardLayer(i);
            }
            _hidden = Own(_context.Rent(_predicting.Rows, hiddenSize));
            model.Network.FinalNorm.Forward(_context, _inputs[^1], _hidden);

            var logProbabilities = new float[_targets.Length];
            var mostLikely = new bool[_targets.Length];
            _logSums = new float[_targets.Length];
            if (keep) _headMean = Own(_context.Rent(_hidden.Rows, hiddenSize));
            model.Network.Head.Forward(_context, _hidden, _targets, logProbabilities, _logSums, mostLikely, keep ? _headMean : null);
            Scores = [.. sequences.Select((_, s) => new TokenScores(logProbabilities[_firsts[s].._firsts[s + 1]], mostLikely[_firsts[s].._firsts[s + 1]],
                hiddenStates ? HiddenStates(s) : default))];
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public IReadOnlyList<TokenScores> Scores { get; }

    /// <summary>The rows of one sequence: the pass's own memory where the pass is handed out, else a copy.</summary>
    private ReadOnlyMemory<float> HiddenStates(int sequence)
    {
        var rows = _hidden.RowRange(_firsts[sequence], _firsts[sequence + 1] - _firsts[sequence]);
        return _usable ? rows.Data.AsMemory(rows.Offset, rows.Rows * rows.Columns) : rows.Span.ToArray();
    }

    public void Backward(IReadOnlyList<ReadOnlyMemory<float>> coefficients, CancellationToken cancellationToken = default)
    {
        if (!_usable) throw new InvalidOperationException("A forward pass can be differentiated once.");
        _usable = false;
        var network = _model.Network;
        Matrix dHidden = _headMean, gradient = Own(_context.Rent(_context.Batch.Rows, _hidden.Columns));
        network.Head.Backward(_context, _hidden, _targets, _logSums, PackedBatch.Flatten(coefficients, _firsts), dHidden);
        network.FinalNorm.Backward(_context, _inputs[^1], dHidden, dHidden, accumulate: false);

        var lowest = network.LowestGradient;
        for (var i = network.Layers.Length - 1; i >= Math.Max(0, lowest - 1); i--)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (_activations[i] is null) ForwardLayer(i);
            network.Layers[i].Backward(_context, RowsOf(i), _rope, _inputs[i], ActivationsOf(i), i == network.Layers.Length - 1 ? dHidden : gradient, i < lowest ? null : gradient);
        }
        if (network.Embedding.Parameter is not null)
            for (var row = 0; row < gradient.Rows; row++) VectorMath.Add(gradient[row], network.Embedding.Gradient[_context.Batch.Tokens[row]]);
    }

    public void Dispose()
    {
        _usable = false;
        foreach (var activations in _activations) activations?.Dispose();
        Array.Clear(_activations);
        _shared?.Dispose();
        _shared = null;
        foreach (var matrix in _rented) _context.Return(matrix);
        _rented.Clear();
    }

    private void ForwardLayer(int layer) =>
        _model.Network.Layers[layer].Forward(_context, RowsOf(layer), _rope, _inputs[layer], ActivationsOf(layer), _inputs[layer + 1]);

    /// <summary>The rows that a layer computes.</summary>
    private QueryRows RowsOf(int layer) => layer == _model.Network.Layers.Length - 1 ? _predicting : _context.Rows;

    private LayerActivations ActivationsOf(int layer)
    {
        if (_activations[layer] is { } kept) return kept;
        var rows = RowsOf(layer).Rows;
        if (_shared is { } shared && shared.Middle.Rows == rows) return shared;
        _shared?.Dispose();
        return _shared = new LayerActivations(_context, _model.Configuration, rows);
    }

    private Matrix Own(Matrix matrix)
    {
        _rented.Add(matrix);
        return matrix;
    }
}
