using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// RMSNorm (Zhang and Sennrich, arXiv 1910.07467): y = x / sqrt(mean(x^2) + eps) * w over groups of n = |w| columns. A group is the whole row in the
/// norms of a layer, one head in the query and key norms. The norms of gemma multiply by 1 + w instead.
/// </summary>
internal sealed class RmsNorm(Weight weight, double epsilon, bool plusOne = false) : INorm
{
    private readonly float[] _factors = plusOne ? Factors(weight, new float[weight.Columns]) : []; // 1 + w

    public Weight Weight { get; } = weight;

    public bool IsTrainable => Weight.Parameter is not null;

    public void Forward(EngineContext context, Matrix x, Matrix y)
    {
        RenewFactors();
        context.ForRows(x.Rows, (norm: this, x, y), static (loop, row) =>
        {
            var w = loop.norm.Factor;
            for (var column = 0; column < loop.x.Columns; column += w.Length)
            {
                var input = loop.x[row].Slice(column, w.Length);
                VectorMath.Multiply(input, w, loop.norm.InverseRms(input), loop.y[row].Slice(column, w.Length));
            }
        });
    }

    /// <summary>
    /// With u = x / rms and g = dy * w (or 1 + w), computes dx (+)= (g - u mean(g u)) / rms and dw += sum over rows of dy u. dy and dx may be the
    /// same matrix unless accumulating.
    /// </summary>
    public void Backward(EngineContext context, Matrix x, Matrix dy, Matrix dx, bool accumulate)
    {
        if (Weight.Parameter is { } parameter) AddWeightGradient(x, dy, parameter.Gradient);
        RenewFactors();
        context.ForRows(x.Rows, (norm: this, x, dy, dx, accumulate), static (loop, row) =>
        {
            var w = loop.norm.Factor;
            for (var column = 0; column < loop.x.Columns; column += w.Length)
            {
                Span<float> input = loop.x[row].Slice(column, w.Length), upstream = loop.dy[row].Slice(column, w.Length);
                var output = loop.dx[row].Slice(column, w.Length);
                var inverse = loop.norm.InverseRms(input);
                var projection = VectorMath.Dot(upstream, w, input) / w.Length * inverse * inverse * inverse;
                VectorMath.Multiply(upstream, w, inverse, output, loop.accumulate);
                VectorMath.AddScaled(input, -projection, output);
            }
        });
    }

    /// <summary>What multiplies the columns of a group.</summary>
    private ReadOnlySpan<float> Factor => plusOne ? _factors : Weight.Vector;

    private void RenewFactors()
    {
        if (plusOne && Weight.Parameter is not null) Factors(Weight, _factors); // an optimizer may have moved w
    }

    private static float[] Factors(Weight weight, float[] factors)
    {
        for (var i = 0; i < factors.Length; i++) factors[i] = 1 + weight.Vector[i];
        return factors;
    }

    private void AddWeightGradient(Matrix x, Matrix dy, float[] gradient)
    {
        var n = gradient.Length;
        for (var row = 0; row < x.Rows; row++)
        {
            for (var column = 0; column < x.Columns; column += n)
            {
                Span<float> input = x[row].Slice(column, n), upstream = dy[row].Slice(column, n);
                VectorMath.Multiply(input, upstream, InverseRms(input), gradient, accumulate: true);
            }
        }
    }

    private float InverseRms(ReadOnlySpan<float> x) => (float)(1 / Math.Sqrt(VectorMath.SumOfSquares(x) / x.Length + epsilon));
}
