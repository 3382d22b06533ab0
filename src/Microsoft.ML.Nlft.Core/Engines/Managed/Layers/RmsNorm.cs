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
    public void Forward(EngineContext context, Matrix x, Matrix y)
    {
        int n = Weight.Columns;
        context.Workers.ForBlocks(x.Rows, EngineContext.RowBlock, (start, end) =>
        {
            var w = Weight.Vector;
            for (var row = start; row < end; row++)
                for (var column = 0; column < x.Columns; column += n)
                {
                    Span<float> input = x[row].Slice(column, n), output = y[row].Slice(column, n);
                    VectorMath.Multiply(input, w, InverseRms(input), output);
                }
        });
    }

    /// <summary>
    /// With u = x / rms and g = dy * w: dx (+)= (g - u mean(g u)) / rms, dw += sum over rows of dy u. dy and dx may be the same
    /// matrix unless accumulating.
    /// </summary>
    public void Backward(EngineContext context, Matrix x, Matrix dy, Matrix dx, bool accumulate)
    {
        int n = Weight.Columns;
        if (Weight.Parameter is { } parameter) AddWeightGradient(x, dy, parameter.Gradient);
        context.Workers.ForBlocks(x.Rows, EngineContext.RowBlock, (start, end) =>
        {
            var w = Weight.Vector;
            for (var row = start; row < end; row++)
                for (var column = 0; column < x.Columns; column += n)
                {
                    Span<float> input = x[row].Slice(column, n), upstream = dy[row].Slice(column, n), output = dx[row].Slice(column, n);
                    var scale = InverseRms(input);
                    var pull = VectorMath.Dot(upstream, w, input) / n * scale * scale * scale;
                    VectorMath.Multiply(upstream, w, scale, output, accumulate);
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
