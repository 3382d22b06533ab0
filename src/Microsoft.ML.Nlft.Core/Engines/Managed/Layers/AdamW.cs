using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// AdamW (arXiv 1711.05101, algorithm 2, as PyTorch computes it): w -= lr decay w; m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2;
/// w -= lr (m / (1-b1^t)) / (sqrt(v / (1-b2^t)) + eps), with g scaled so that the global norm is at most the limit. In double precision.
/// </summary>
internal sealed class AdamW(IReadOnlyList<Parameter> parameters)
{
    private const int Block = 1 << 13;

    /// <summary>Steps taken.</summary>
    public int Steps { get; set; }

    /// <summary>The global L2 norm of the gradients.</summary>
    public double GradientNorm()
    {
        var sum = 0.0;
        foreach (var parameter in parameters) sum += VectorMath.SumOfSquares(parameter.Gradient);
        return Math.Sqrt(sum);
    }

    public void ClearGradients()
    {
        foreach (var parameter in parameters) Array.Clear(parameter.Gradient);
    }

    public void Step(Workers workers, AdamWOptions options, double learningRate, double gradientNorm)
    {
        Steps++;
        // clip_grad_norm_ divides by norm + 1e-6 and never enlarges
        var clip = Math.Min(1, options.MaximumGradientNorm / (gradientNorm + 1e-6));
        var update = new Update(options, clip, learningRate / (1 - Math.Pow(options.Beta1, Steps)), 1 / Math.Sqrt(1 - Math.Pow(options.Beta2, Steps)), 1 - learningRate * options.WeightDecay);
        foreach (var parameter in parameters)
            workers.ForBlocks(parameter.Values.Length, Block, (parameter, update), static (work, start, end) => work.update.Apply(work.parameter, start, end));
    }

    /// <summary>The constants of one step.</summary>
    private readonly record struct Update(AdamWOptions Options, double Clip, double Size, double RootCorrection, double Decay)
    {
        public void Apply(Parameter parameter, int start, int end)
        {
            ref float w = ref MemoryMarshal.GetArrayDataReference(parameter.Values), gradient = ref MemoryMarshal.GetArrayDataReference(parameter.Gradient);
            ref float m = ref MemoryMarshal.GetArrayDataReference(parameter.Moment1), v = ref MemoryMarshal.GetArrayDataReference(parameter.Moment2);
            var i = start;
            for (; i + 4 <= end; i += 4)
            {
                var g = Load(ref gradient, i) * Clip;
                var first = Load(ref m, i) * Options.Beta1 + g * (1 - Options.Beta1);
                var second = Load(ref v, i) * Options.Beta2 + g * g * (1 - Options.Beta2);
                Store(first, ref m, i);
                Store(second, ref v, i);
                Store(Load(ref w, i) * Decay - first * Size / (Vector256.Sqrt(second) * RootCorrection + Vector256.Create(Options.Epsilon)), ref w, i);
            }
            for (; i < end; i++)
            {
                var g = parameter.Gradient[i] * Clip;
                var first = parameter.Moment1[i] * Options.Beta1 + g * (1 - Options.Beta1);
                var second = parameter.Moment2[i] * Options.Beta2 + g * g * (1 - Options.Beta2);
                (parameter.Moment1[i], parameter.Moment2[i]) = ((float)first, (float)second);
                parameter.Values[i] = (float)(parameter.Values[i] * Decay - first * Size / (Math.Sqrt(second) * RootCorrection + Options.Epsilon));
            }
        }

        private static Vector256<double> Load(ref float x, int i) => Vector256.WidenLower(Vector128.LoadUnsafe(ref x, (nuint)i).ToVector256Unsafe());

        private static void Store(Vector256<double> value, ref float x, int i) => Vector128.Narrow(value.GetLower(), value.GetUpper()).StoreUnsafe(ref x, (nuint)i);
    }
}
