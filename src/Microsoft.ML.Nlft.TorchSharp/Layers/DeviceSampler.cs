using Microsoft.ML.Nlft.Engines;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// Chooses tokens on the device by <see cref="TokenChoice"/>: a launch of each operator for all rows, and three numbers a row go to the host.
/// In float64, as the host computes.
/// </summary>
internal static class DeviceSampler
{
    /// <summary>Returns the token of every row of logits z [n, V], float32.</summary>
    public static int[] Choose(Tensor z, IReadOnlyList<TokenChoice> choices)
    {
        using var scope = NewDisposeScope();
        using var off = no_grad();
        using Scalar none = double.NegativeInfinity, zero = 0;
        var (largest, likeliest) = z.max(1, keepdim: true);
        (largest, likeliest) = (largest.to_type(float64), likeliest.to_type(float64));
        var tokens = choices.All(choice => choice.Temperature == 0) ? likeliest
            : where(Column(choice => choice.Temperature).gt(zero), Draw().to_type(float64), likeliest);
        var results = cat([largest, likeliest, tokens], 1).cpu().data<double>().ToArray();
        for (var row = 0; row < choices.Count; row++) TokenChoice.RequireUsable(results[3 * row], (int)results[3 * row + 1]);
        return [.. Enumerable.Range(0, choices.Count).Select(row => (int)results[3 * row + 2])];

        Tensor Draw()
        {
            var logits = z.to_type(float64);
            var most = choices.Max(Kept);
            if (most > 0)
            {
                var top = logits.topk(most, 1).values; // descending
                var least = top.gather(1, Column(choice => Math.Max(Kept(choice), 1) - 1).to_type(int64));
                logits = logits.masked_fill(logits.lt(least).logical_and(Column(choice => Kept(choice)).gt(zero)), none);
            }
            // at temperature 0, whose draw is not used, as at 1
            var weights = (logits - largest).div(Column(choice => choice.Temperature > 0 ? choice.Temperature : 1)).exp();
            if (choices.Any(choice => choice.TopP < 1))
            {
                var (sorted, order) = weights.sort(1, descending: true, stable: true);
                var before = sorted.cumsum(1) - sorted;
                var outside = before.ge(sorted.sum(1, keepdim: true) * Column(choice => choice.TopP < 1 ? choice.TopP : double.PositiveInfinity));
                weights = zeros_like(weights).scatter_(1, order, sorted.masked_fill(outside, zero));
            }
            if (choices.Any(choice => choice.MinP > 0)) weights = weights.masked_fill(weights.lt(Column(choice => choice.MinP)), zero);
            var sums = weights.cumsum(1);
            var total = sums.narrow(1, sums.shape[1] - 1, 1);
            // the first token whose sum passes the share, or that reaches the total
            return sums.le(total * Column(choice => choice.Uniform)).logical_and(sums.lt(total)).sum(1, keepdim: true);
        }

        // The number of largest logits that a choice keeps; 0: all.
        int Kept(TokenChoice choice) => choice.TopK < z.shape[1] ? choice.TopK : 0;

        Tensor Column(Func<TokenChoice, double> value) => tensor([.. choices.Select(value)], [choices.Count, 1], dtype: float64, device: z.device);
    }
}
