using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// Says which experts compute which of R tokens: R k rows, sorted by expert and, within an expert, by token. Every row has a token, an expert and a
/// weight.
/// </summary>
internal sealed class Routing
{
    private readonly ExpertConfiguration _configuration;
    private readonly int[] _tokens, _experts; // of every row
    private readonly int[] _rows; // the k rows of every token, in the order of their experts
    private readonly int[] _starts, _next; // the first row of every expert, then R k; where its next row goes

    /// <summary>Rents the probabilities.</summary>
    public Routing(EngineContext context, ExpertConfiguration configuration, int tokens)
    {
        _configuration = configuration;
        Count = checked(tokens * configuration.PerToken);
        Probabilities = context.Rent(tokens, configuration.Count);
        (_tokens, _experts, _rows, _starts, _next) =
            (new int[Count], new int[Count], new int[Count], new int[configuration.Count + 1], new int[configuration.Count]);
        (Weights, WeightGradients) = (new float[Count], new float[Count]);
    }

    /// <summary>R k, the number of rows.</summary>
    public int Count { get; }

    /// <summary>The router's output, [R x E]: logits before <see cref="Choose(EngineContext)"/>, probabilities after it.</summary>
    public Matrix Probabilities { get; }

    /// <summary>The weight of every row.</summary>
    public float[] Weights { get; }

    /// <summary>The gradient of every weight.</summary>
    public float[] WeightGradients { get; }

    private int PerToken => _configuration.PerToken;

    /// <summary>The first row of an expert, and the number of its rows.</summary>
    public (int First, int Count) RowsOf(int expert) => (_starts[expert], _starts[expert + 1] - _starts[expert]);

    /// <summary>Replaces the logits by probabilities, chooses the k likeliest experts of every token and sorts the rows.</summary>
    public void Choose(EngineContext context)
    {
        context.ForRows(Probabilities.Rows, this, static (routing, token) =>
        {
            var p = routing.Probabilities[token];
            VectorMath.Softmax(p);
            Choose(p, routing.RowsOfToken(token)); // experts for now, rows below
        });
        Array.Clear(_starts);
        foreach (var expert in _rows) _starts[expert + 1]++;
        for (var expert = 0; expert < _next.Length; expert++)
        {
            _next[expert] = _starts[expert];
            _starts[expert + 1] += _starts[expert];
        }
        for (var token = 0; token < Probabilities.Rows; token++)
        {
            var sum = _configuration.NormalizeWeights ? 0f : 1;
            if (_configuration.NormalizeWeights)
                foreach (var expert in RowsOfToken(token)) sum += Probabilities[token][expert];
            foreach (ref var place in RowsOfToken(token))
            {
                var (expert, row) = (place, _next[place]++);
                (place, _tokens[row], _experts[row], Weights[row]) = (row, token, expert, Probabilities[token][expert] / sum);
            }
        }
    }

    /// <summary>Finds the k largest of E probabilities, the first of equal ones, in ascending order of their indices.</summary>
    internal static void Choose(ReadOnlySpan<float> probabilities, Span<int> chosen)
    {
        for (var i = 0; i < chosen.Length; i++) chosen[i] = i;
        for (var expert = chosen.Length; expert < probabilities.Length; expert++)
        {
            var least = 0;
            for (var i = 1; i < chosen.Length; i++)
                if (probabilities[chosen[i]] <= probabilities[chosen[least]]) least = i;
            if (!(probabilities[expert] > probabilities[chosen[least]])) continue;
            chosen[(least + 1)..].CopyTo(chosen[least..]);
            chosen[^1] = expert;
        }
    }

    /// <summary>Copies the token of every row: rows[R k x H] from x[R x H].</summary>
    public void Gather(EngineContext context, Matrix x, Matrix rows) => context.ForRows(rows.Rows, (_tokens, x, rows), static (loop, row) =>
        loop.x[loop._tokens[row]].CopyTo(loop.rows[row]));

    /// <summary>Adds the rows of every token to y[R x H], in the order of its experts.</summary>
    public void AddTo(EngineContext context, Matrix rows, Matrix y) => context.ForRows(y.Rows, (routing: this, rows, y), static (loop, token) =>
    {
        foreach (var row in loop.routing.RowsOfToken(token)) VectorMath.Add(loop.rows[row], loop.y[token]);
    });

    /// <summary>
    /// Computes the gradient of the logits, [R x E], from <see cref="WeightGradients"/>: with weights w = p / S of the chosen experts, S the sum of
    /// their p, dp = (dw - sum of w dw) / S; without normalisation dp = dw. The gradient is p (dp - sum of p dp).
    /// </summary>
    public void Backward(EngineContext context, Matrix dLogits) => context.ForRows(dLogits.Rows, (routing: this, dLogits), static (loop, token) =>
        loop.routing.Backward(token, loop.dLogits[token]));

    private void Backward(int token, Span<float> dLogits)
    {
        Span<float> p = Probabilities[token];
        Span<int> rows = RowsOfToken(token);
        var (sum, mean) = (1f, 0f);
        if (_configuration.NormalizeWeights)
        {
            sum = 0;
            foreach (var row in rows)
            {
                sum += p[_experts[row]];
                mean += Weights[row] * WeightGradients[row];
            }
        }
        var total = 0f;
        foreach (var row in rows) total += p[_experts[row]] * ((WeightGradients[row] - mean) / sum);
        for (var expert = 0; expert < p.Length; expert++) dLogits[expert] = -p[expert] * total;
        foreach (var row in rows) dLogits[_experts[row]] += p[_experts[row]] * ((WeightGradients[row] - mean) / sum);
    }

    private Span<int> RowsOfToken(int token) => _rows.AsSpan(token * PerToken, PerToken);
}
