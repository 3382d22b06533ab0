using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.Engines.Managed.Layers;
using Microsoft.ML.Nlft.Models;

namespace Microsoft.ML.Nlft.Engines.Managed;

/// <summary>
/// One pass of a packed batch through the network. Kept for training, it holds the input of every layer and either all its
/// activations or, when they are recomputed, one set that every layer fills in turn.
/// </summary>
internal sealed class ManagedForwardPass : IForwardPass
{
    private readonly ManagedLanguageModel _model;
    private readonly EngineContext _context;
    private readonly RotaryEmbedding _rope;
    private readonly List<Matrix> _rented = [];
    private readonly Matrix[] _inputs; // of every layer, and of the final norm
    private readonly LayerActivations[] _activations;
    private readonly int[] _predicting; // the rows that predict a response token
    private readonly int[] _targets;
    private readonly int[] _firsts; // of every sequence in _predicting, and R at the end
    private readonly float[] _logSums;
    private readonly Matrix _hidden; // final-norm outputs, R x H
    private bool _usable;

    public ManagedForwardPass(ManagedLanguageModel model, IReadOnlyList<TokenSequence> sequences, bool hiddenStates, bool keep, CancellationToken cancellationToken)
    {
        _model = model;
        _usable = keep;
        var batch = PackedBatch.Create([.. sequences.Select(s => s.Tokens)], model.Configuration, [.. sequences.Select(s => s.DropoutSeed)]);
        _context = model.Context(batch, training: keep);
        _rope = model.Rope(batch);
        (_predicting, _targets, _firsts) = batch.Responses(sequences);

        var layers = model.Network.Layers;
        _inputs = new Matrix[layers.Length + 1];
        _activations = new LayerActivations[keep && !model.Recompute ? layers.Length : Math.Min(1, layers.Length)];
        try
        {
            _inputs[0] = Own(model.Embed(_context));
            for (var i = 0; i < layers.Length; i++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (i < _activations.Length) _activations[i] = new LayerActivations(_context, model.Configuration);
                _inputs[i + 1] = keep || i == 0 ? Own(_context.Rent(batch.Rows, model.Configuration.HiddenSize)) : _inputs[i - 1]; // two in turn when nothing is kept
                layers[i].Forward(_context, _rope, _inputs[i], Activations(i), _inputs[i + 1]);
            }
            _hidden = Own(_context.Rent(_predicting.Length, model.Configuration.HiddenSize));
            Gather(_inputs[^1], _hidden);
            model.Network.FinalNorm.Forward(_context, _hidden, _hidden);

            var logProbabilities = new float[_targets.Length];
            var mostLikely = new bool[_targets.Length];
            _logSums = new float[_targets.Length];
            model.Network.Head.Forward(_context, _hidden, _targets, logProbabilities, _logSums, mostLikely);
            Scores = [.. sequences.Select((_, s) => new TokenScores(logProbabilities[_firsts[s].._firsts[s + 1]], mostLikely[_firsts[s].._firsts[s + 1]],
                hiddenStates ? _hidden.RowRange(_firsts[s], _firsts[s + 1] - _firsts[s]).Span.ToArray() : []))];
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
        var network = _model.Network;
        Matrix dHidden = Own(_context.Rent(_hidden.Rows, _hidden.Columns)), gradient = Own(_context.Rent(_context.Batch.Rows, _hidden.Columns));
        network.Head.Backward(_context, _hidden, _targets, _logSums, PackedBatch.Flatten(coefficients, _firsts), dHidden);
        Gather(_inputs[^1], _hidden); // the final norm's inputs, where its outputs are no longer needed
        network.FinalNorm.Backward(_context, _hidden, dHidden, dHidden, accumulate: false);
        gradient.Clear();
        for (var i = 0; i < _predicting.Length; i++) dHidden[i].CopyTo(gradient[_predicting[i]]);

        for (var i = network.Layers.Length - 1; i >= 0; i--)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (_model.Recompute && i < network.Layers.Length - 1)
                network.Layers[i].Forward(_context, _rope, _inputs[i], Activations(i), _inputs[i + 1]);
            network.Layers[i].Backward(_context, _rope, _inputs[i], Activations(i), gradient);
        }
        if (network.Embedding.Parameter is not null)
            for (var row = 0; row < gradient.Rows; row++) VectorMath.Add(gradient[row], network.Embedding.Gradient[_context.Batch.Tokens[row]]);
    }

    public void Dispose()
    {
        _usable = false;
        foreach (var activations in _activations) activations?.Dispose();
        Array.Clear(_activations);
        foreach (var matrix in _rented) _context.Return(matrix);
        _rented.Clear();
    }

    private LayerActivations Activations(int layer) => _activations[Math.Min(layer, _activations.Length - 1)];

    private Matrix Own(Matrix matrix)
    {
        _rented.Add(matrix);
        return matrix;
    }

    /// <summary>Copies the rows of the last layer's output that predict a response token.</summary>
    private void Gather(Matrix x, Matrix rows)
    {
        for (var i = 0; i < _predicting.Length; i++) x[_predicting[i]].CopyTo(rows[i]);
    }
}
