using System.Buffers;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Engines;

namespace Microsoft.ML.Nlft.Generation;

/// <summary>
/// Chooses the next token of one row from its logits: penalties, temperature, top-k, top-p, min-p and a random draw, in the order that
/// <see cref="GenerationOptions"/> documents. Computes in double precision.
/// </summary>
internal sealed class TokenSampler
{
    private readonly GenerationOptions _options;
    private readonly HashSet<int> _seen = [];
    private readonly Dictionary<int, int> _counts = []; // occurrences of each token in the answer
    private SplitMix64 _random;

    /// <summary>Creates the sampler of one row.</summary>
    /// <param name="options">Valid options.</param>
    /// <param name="row">Index of the row in its call; with the seed it determines the row's random stream.</param>
    /// <param name="prompt">Token ids that the repetition penalty counts as seen.</param>
    public TokenSampler(GenerationOptions options, int row, ReadOnlySpan<int> prompt)
    {
        _options = options;
        _random = new SplitMix64(SplitMix64.Hash((ulong)options.Seed, (ulong)row));
        if (options.RepetitionPenalty != 1) _seen.UnionWith(prompt.ToArray());
    }

    /// <summary>
    /// Returns how to choose the next token, for a session that does it itself; null if penalties change the logits. To be called once a token, in
    /// place of <see cref="Next"/>.
    /// </summary>
    public TokenChoice? Choice() =>
        _options.RepetitionPenalty != 1 || _options.FrequencyPenalty != 0 || _options.PresencePenalty != 0 ? null
        : new(_options.Temperature, _options.TopK, _options.TopP, _options.MinP, _options.Temperature == 0 ? 0 : _random.NextDouble());

    /// <summary>Chooses the next token.</summary>
    /// <param name="logits">One value per vocabulary id; minus infinity excludes a token.</param>
    /// <exception cref="NlftException">A logit is NaN or infinite, or all are minus infinity.</exception>
    public int Next(ReadOnlySpan<float> logits)
    {
        var rented = ArrayPool<double>.Shared.Rent(logits.Length);
        try
        {
            var weights = rented.AsSpan(0, logits.Length);
            var likeliest = Weigh(logits, weights);
            var next = _options.Temperature == 0 ? likeliest : Draw(weights, _random.NextDouble());
            if (_options.RepetitionPenalty != 1) _seen.Add(next);
            if (_options.FrequencyPenalty != 0 || _options.PresencePenalty != 0) _counts[next] = _counts.GetValueOrDefault(next) + 1;
            return next;
        }
        finally
        {
            ArrayPool<double>.Shared.Return(rented);
        }
    }

    /// <summary>
    /// Computes the weights in proportion to which the next token is drawn, 0 for what is excluded; at temperature 0 the penalized logits.
    /// </summary>
    /// <param name="logits">One value per vocabulary id.</param>
    /// <param name="weights">As many weights.</param>
    /// <returns>The likeliest token.</returns>
    internal int Weigh(ReadOnlySpan<float> logits, Span<double> weights)
    {
        for (var i = 0; i < weights.Length; i++) weights[i] = logits[i];
        Penalize(weights);
        var likeliest = Likeliest(weights);
        if (_options.Temperature != 0) Filter(weights, weights[likeliest]);
        return likeliest;
    }

    private void Penalize(Span<double> logits)
    {
        foreach (var token in _seen)
        {
            logits[token] = logits[token] < 0 ? logits[token] * _options.RepetitionPenalty : logits[token] / _options.RepetitionPenalty;
        }

        foreach (var (token, count) in _counts) logits[token] -= count * _options.FrequencyPenalty + _options.PresencePenalty;
    }

    /// <summary>Returns the token with the largest logit; ties go to the lowest id.</summary>
    private static int Likeliest(ReadOnlySpan<double> logits)
    {
        var best = 0;
        for (var i = 0; i < logits.Length; i++)
        {
            if (!(logits[i] < double.PositiveInfinity)) TokenChoice.RequireUsable(logits[i], i); // NaN too
            if (logits[i] > logits[best]) best = i;
        }

        TokenChoice.RequireUsable(logits[best], best);
        return best;
    }

    /// <summary>Turns logits into weights exp((logit - max) / temperature) and zeroes what the filters exclude.</summary>
    private void Filter(Span<double> weights, double maximum)
    {
        if (_options.TopK > 0 && _options.TopK < weights.Length) KeepTop(weights, _options.TopK);
        for (var i = 0; i < weights.Length; i++) weights[i] = Math.Exp((weights[i] - maximum) / _options.Temperature);
        if (_options.TopP < 1) KeepNucleus(weights, _options.TopP);
        for (var i = 0; i < weights.Length; i++)
        {
            if (weights[i] < _options.MinP) weights[i] = 0; // the likeliest token weighs 1
        }
    }

    /// <summary>Keeps the k largest logits, and those that equal the least of them, as transformers does.</summary>
    private static void KeepTop(Span<double> logits, int k)
    {
        var top = new PriorityQueue<double, double>(k + 1); // dequeues the least first
        foreach (var logit in logits)
        {
            if (top.Count < k) top.Enqueue(logit, logit);
            else top.EnqueueDequeue(logit, logit);
        }

        var least = top.Peek();
        for (var i = 0; i < logits.Length; i++)
        {
            if (logits[i] < least) logits[i] = double.NegativeInfinity;
        }
    }

    /// <summary>Keeps the smallest set of largest weights whose sum reaches the fraction <paramref name="p"/> of the total.</summary>
    private static void KeepNucleus(Span<double> weights, double p)
    {
        var total = Sum(weights);
        // All weights below this sum to less than the fraction 1 - p, so the nucleus is among the others and only a few need sorting.
        var negligible = total * (1 - p) / weights.Length;
        var candidates = new List<(int Id, double Weight)>();
        for (var i = 0; i < weights.Length; i++)
        {
            if (weights[i] >= negligible && weights[i] > 0) candidates.Add((i, weights[i]));
        }

        candidates.Sort((a, b) => b.Weight != a.Weight ? b.Weight.CompareTo(a.Weight) : a.Id.CompareTo(b.Id));
        var (size, sum) = (0, 0.0);
        while (size < candidates.Count && sum < p * total) sum += candidates[size++].Weight;
        weights.Clear();
        foreach (var (id, weight) in candidates.Take(size)) weights[id] = weight;
    }

    /// <summary>Returns the token at which the cumulative weight passes the fraction <paramref name="uniform"/>, in [0, 1), of the total.</summary>
    private static int Draw(ReadOnlySpan<double> weights, double uniform)
    {
        var left = uniform * Sum(weights);
        var last = 0;
        for (var i = 0; i < weights.Length; i++)
        {
            if (weights[i] == 0) continue;
            if (left < weights[i]) return i;
            left -= weights[i];
            last = i;
        }

        return last; // reached only through rounding
    }

    private static double Sum(ReadOnlySpan<double> values)
    {
        var sum = 0.0;
        foreach (var value in values) sum += value;
        return sum;
    }
}
