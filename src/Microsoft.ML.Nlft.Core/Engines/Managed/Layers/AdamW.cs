using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// AdamW (arXiv 1711.05101, algorithm 2, as PyTorch computes it): w -= lr decay w, unless w is a norm or a bias; m = b1 m + (1-b1) g;
/// v = b2 v + (1-b2) g^2; w -= lr (m / (1-b1^t)) / (sqrt(v / (1-b2^t)) + eps), where g is scaled so that the global norm does not exceed the
/// limit. Computes in double precision, stores float32.
/// </summary>
internal sealed class AdamW(IReadOnlyList<Parameter> parameters)
{
    private const int Block = 1 << 13;

    /// <summary>Number of steps taken.</summary>
    public int Steps { get; set; }

    /// <summary>Returns the global L2 norm of the gradients.</summary>
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

    /// <summary>Takes one step with gradients of the given norm.</summary>
    public void Step(Workers workers, AdamWOptions options, double learningRate, double gradientNorm)
    {
        Steps++;
        // As clip_grad_norm_ of PyTorch: divides by norm + 1e-6 and never enlarges.
        var clip = Math.Min(1, options.MaximumGradientNorm / (gradientNorm + 1e-6));
        var stepSize = learningRate / (1 - Math.Pow(options.Beta1, Steps));
        var rootCorrection = 1 / Math.Sqrt(1 - Math.Pow(options.Beta2, Steps));
        foreach (var parameter in parameters)
        {
            var decay = AdamWOptions.Decays(parameter.Name) ? 1 - learningRate * options.WeightDecay : 1;
            var update = new Update(options, clip, stepSize, rootCorrection, decay);
            workers.ForBlocks(parameter.Values.Length, Block, (parameter, update), static (loop, start, end) =>
                loop.update.Apply(loop.parameter, start, end));
            parameter.Version++;
        }
    }

    /// <summary>The constants of one step.</summary>
    private readonly record struct Update(AdamWOptions Options, double Clip, double StepSize, double RootCorrection, double Decay)
    {
        public void Apply(Parameter parameter, int start, int end)
        {
            ref var w = ref MemoryMarshal.GetArrayDataReference(parameter.Values);
            ref var gradient = ref MemoryMarshal.GetArrayDataReference(parameter.Gradient);
            ref var m = ref MemoryMarshal.GetArrayDataReference(parameter.Moment1);
            ref var v = ref MemoryMarshal.GetArrayDataReference(parameter.Moment2);
            var i = start;
            for (; i + 4 <= end; i += 4)
            {
                var g = Load(ref gradient, i) * Clip;
                var first = Load(ref m, i) * Options.Beta1 + g * (1 - Options.Beta1);
                var second = Load(ref v, i) * Options.Beta2 + g * g * (1 - Options.Beta2);
                Store(first, ref m, i);
                Store(second, ref v, i);
                var root = Vector256.Sqrt(second) * RootCorrection + Vector256.Create(Options.Epsilon);
                Store(Load(ref w, i) * Decay - first * StepSize / root, ref w, i);
            }
            for (; i < end; i++)
            {
                var g = parameter.Gradient[i] * Clip;
                var first = parameter.Moment1[i] * Options.Beta1 + g * (1 - Options.Beta1);
                var second = parameter.Moment2[i] * Options.Beta2 + g * g * (1 - Options.Beta2);
                (parameter.Moment1[i], parameter.Moment2[i]) = ((float)first, (float)second);
                var root = Math.Sqrt(second) * RootCorrection + Options.Epsilon;
                parameter.Values[i] = (float)(parameter.Values[i] * Decay - first * StepSize / root);
            }
        }

        private static Vector256<double> Load(ref float x, int i) =>
            Vector256.WidenLower(Vector128.LoadUnsafe(ref x, (nuint)i).ToVector256Unsafe());

        private static void Store(Vector256<double> value, ref float x, int i) =>
            Vector128.Narrow(value.GetLower(), value.GetUpper()).StoreUnsafe(ref x, (nuint)i);
    }
}
