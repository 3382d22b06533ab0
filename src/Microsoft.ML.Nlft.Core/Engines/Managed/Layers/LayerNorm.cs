using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// LayerNorm (Ba et al., arXiv 1607.06450) over whole rows: y = u * w + b, where u = (x - mean(x)) / s and s = sqrt(mean((x - mean(x))^2) + eps).
/// </summary>
internal sealed class LayerNorm(Weight weight, Weight bias, double epsilon) : INorm
{
    public bool IsTrainable => weight.Parameter is not null;

    public void Forward(EngineContext context, Matrix x, Matrix y) => context.ForRows(x.Rows, (norm: this, x, y), static (loop, row) =>
    {
        var norm = loop.norm;
        var output = loop.y[row];
        var inverse = norm.Centre(loop.x[row], output);
        VectorMath.Multiply(output, norm.Weight, inverse, output);
        VectorMath.Add(norm.Bias, output);
    });

    /// <summary>
    /// With g = dy * w, computes dx (+)= (g - mean(g) - u mean(g u)) / s, and adds the sums over rows of dy u to dw, of dy to db.
    /// </summary>
    public void Backward(EngineContext context, Matrix x, Matrix dy, Matrix dx, bool accumulate)
    {
        var centred = context.Rent(x.Rows, x.Columns);
        for (var row = 0; IsTrainable && row < x.Rows; row++)
        {
            var inverse = Centre(x[row], centred[row]);
            VectorMath.Multiply(centred[row], dy[row], inverse, weight.Parameter!.Gradient, accumulate: true);
            VectorMath.Add(dy[row], bias.Parameter!.Gradient);
        }
        context.ForRows(x.Rows, (norm: this, x, centred, dy, dx, accumulate), static (loop, row) =>
        {
            Span<float> c = loop.centred[row], upstream = loop.dy[row], output = loop.dx[row];
            var w = loop.norm.Weight;
            var inverse = loop.norm.Centre(loop.x[row], c);
            var mean = VectorMath.Dot(upstream, w) / c.Length;
            var projection = VectorMath.Dot(upstream, w, c) / c.Length * inverse * inverse * inverse;
            VectorMath.Multiply(upstream, w, inverse, output, loop.accumulate);
            VectorMath.AddScaled(c, -projection, output);
            VectorMath.AddConstant(-mean * inverse, output);
        });
        context.Return(centred);
    }

    private ReadOnlySpan<float> Weight => weight.Vector;

    private ReadOnlySpan<float> Bias => bias.Vector;

    /// <summary>Computes y = x - mean(x) and returns 1 / s. x and y may be the same row.</summary>
    private float Centre(ReadOnlySpan<float> x, Span<float> y)
    {
        x.CopyTo(y);
        VectorMath.AddConstant((float)(-VectorMath.Sum(x) / x.Length), y);
        return (float)(1 / Math.Sqrt(VectorMath.SumOfSquares(y) / y.Length + epsilon));
    }
}
