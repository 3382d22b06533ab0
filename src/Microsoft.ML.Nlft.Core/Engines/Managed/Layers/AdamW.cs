using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.Models;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// AdamW (arXiv 1711.05101, algorithm 2, as PyTorch computes it): w -= lr decay w; m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2;
/// w -= lr (m / (1-b1^t)) / (sqrt(v / (1-b2^t)) + eps), with g scaled so that the global norm is at most the limit.
/// </summary>
internal sealed class AdamW(IReadOnlyList<Parameter> parameters)
{
    private const int Block = 1 << 14;

    /// <summary>Steps taken.</summary>
    public int Steps { get; set; }

    /// <summary>The global L2 norm of the gradients.</summary>
    public double GradientNorm() => Math.Sqrt(parameters.Sum(parameter => VectorMath.SumOfSquares(parameter.Gradient)));

    public void ClearGradients()
    {
        foreach (var parameter in parameters) Array.Clear(parameter.Gradient);
    }

    public void Step(Workers workers, AdamWOptions options, double learningRate, double gradientNorm)
    {
        Steps++;
        // clip_grad_norm_ divides by norm + 1e-6 and never enlarges
        var clip = Math.Min(1, options.MaximumGradientNorm / (gradientNorm + 1e-6));
        double correction1 = 1 - Math.Pow(options.Beta1, Steps), correction2 = Math.Sqrt(1 - Math.Pow(options.Beta2, Steps));
        double size = learningRate / correction1, decay = 1 - learningRate * options.WeightDecay;
        foreach (var parameter in parameters)
            workers.ForBlocks(parameter.Values.Length, Block, (start, end) =>
            {
                float[] w = parameter.Values, gradient = parameter.Gradient, m = parameter.Moment1, v = parameter.Moment2;
                for (var i = start; i < end; i++)
                {
                    var g = gradient[i] * clip;
                    var first = options.Beta1 * m[i] + (1 - options.Beta1) * g;
                    var second = options.Beta2 * v[i] + (1 - options.Beta2) * g * g;
                    (m[i], v[i]) = ((float)first, (float)second);
                    w[i] = (float)(w[i] * decay - size * first / (Math.Sqrt(second) / correction2 + options.Epsilon));
                }
            });
    }
}
