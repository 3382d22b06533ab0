using Microsoft.ML.Nlft.Engines;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// AdamW (arXiv 1711.05101, algorithm 2, as PyTorch computes it): w -= lr decay w, unless w is a norm or a bias; m = b1 m + (1-b1) g;
/// v = b2 v + (1-b2) g^2; w -= lr (m / (1-b1^t)) / (sqrt(v / (1-b2^t)) + eps), where g is scaled so that the global norm does not exceed the
/// limit. In float32.
/// </summary>
internal static class AdamW
{
    /// <summary>Takes a step and clears the gradients. If their norm is not finite, only clears the gradients.</summary>
    /// <returns>The global L2 norm of the gradients before clipping.</returns>
    public static double Step(ParameterStore store, AdamWOptions options, double learningRate)
    {
        using var scope = NewDisposeScope();
        using var noGradient = no_grad();
        var g = store.Gradients;
        var norm = (double)g.norm().ToSingle();
        if (double.IsFinite(norm))
        {
            var step = ++store.Steps;
            // As clip_grad_norm_ of PyTorch: divides by norm + 1e-6 and never enlarges.
            double correction1 = 1 - Math.Pow(options.Beta1, step), correction2 = Math.Sqrt(1 - Math.Pow(options.Beta2, step));
            // Disposed at the end: temporary scalars could be collected during the native call.
            using Scalar clip = Math.Min(1, options.MaximumGradientNorm / (norm + 1e-6)), decay = 1 - learningRate * options.WeightDecay;
            using Scalar beta1 = options.Beta1, rest1 = 1 - options.Beta1, beta2 = options.Beta2, rest2 = 1 - options.Beta2;
            using Scalar inverse = 1 / correction2, epsilon = options.Epsilon, size = -learningRate / correction1;
            g.mul_(clip);
            store.Moment1.mul_(beta1).add_(g, alpha: rest1);
            store.Moment2.mul_(beta2).addcmul_(g, g, rest2);
            if (options.WeightDecay > 0) store.Decay(decay);
            var root = store.Moment2.sqrt().mul_(inverse).Plus(epsilon);
            store.Values.addcdiv_(store.Moment1, root, size);
            store.Version++;
        }
        store.ClearGradients();
        return norm;
    }
}
