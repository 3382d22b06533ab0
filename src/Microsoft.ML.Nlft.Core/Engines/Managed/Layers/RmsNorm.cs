using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// RMSNorm (Zhang and Sennrich, arXiv 1910.07467): y = x / sqrt(mean(x^2) + eps) * w, over groups of n = |w| columns: the whole
/// row for a layer's norms, every head for the query and key norms.
/// </summary>
internal sealed class RmsNorm(Weight weight, double epsilon)
{
    public Weight Weight { get; } = weight;

    /// <summary>y[N x G n] = norm(x[N x G n]); x and y may be the same matrix.</summary>
    public void Forward(EngineContext context, Matrix x, Matrix y) => context.ForRows(x.Rows, (norm: this, x, y), static (work, row) =>
    {
        var w = work.norm.Weight.Vector;
        for (var column = 0; column < work.x.Columns; column += w.Length)
        {
            var input = work.x[row].Slice(column, w.Length);
            VectorMath.Multiply(input, w, work.norm.InverseRms(input), work.y[row].Slice(column, w.Length));
        }
    });

    /// <summary>
    /// With u = x / rms and g = dy * w: dx (+)= (g - u mean(g u)) / rms, dw += sum over rows of dy u. dy and dx may be the same
    /// matrix unless accumulating.
    /// </summary>
    public void Backward(EngineContext context, Matrix x, Matrix dy, Matrix dx, bool accumulate)
    {
        if (Weight.Parameter is { } parameter) AddWeightGradient(x, dy, parameter.Gradient);
        context.ForRows(x.Rows, (norm: this, x, dy, dx, accumulate), static (work, row) =>
        {
            var w = work.norm.Weight.Vector;
            for (var column = 0; column < work.x.Columns; column += w.Length)
            {
                Span<float> input = work.x[row].Slice(column, w.Length), upstream = work.dy[row].Slice(column, w.Length), output = work.dx[row].Slice(column, w.Length);
                var scale = work.norm.InverseRms(input);
                var pull = VectorMath.Dot(upstream, w, input) / w.Length * scale * scale * scale;
                VectorMath.Multiply(upstream, w, scale, output, work.accumulate);
                VectorMath.AddScaled(input, -pull, output);
            }
        });
    }

    private void AddWeightGradient(Matrix x, Matrix dy, float[] gradient)
    {
        var n = gradient.Length;
        for (var row = 0; row < x.Rows; row++)
            for (var column = 0; column < x.Columns; column += n)
            {
                Span<float> input = x[row].Slice(column, n), upstream = dy[row].Slice(column, n);
                VectorMath.Multiply(input, upstream, InverseRms(input), gradient, accumulate: true);
            }
    }

    private float InverseRms(ReadOnlySpan<float> x) => (float)(1 / Math.Sqrt(VectorMath.SumOfSquares(x) / x.Length + epsilon));
}
