using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// Dropout whose mask is a hash of (sequence seed, module, position, feature): nothing is stored, the backward pass finds the same
/// mask again, and it depends neither on threads nor on how sequences share a batch.
/// </summary>
internal static class Dropout
{
    /// <summary>y = x / (1 - p) where kept, 0 where dropped. <paramref name="x"/> and <paramref name="y"/> may be the same.</summary>
    public static void Apply(EngineContext context, ulong module, double probability, Matrix x, Matrix y)
    {
        var batch = context.Batch;
        var threshold = (uint)(probability * uint.MaxValue);
        var scale = (float)(1 / (1 - probability));
        context.Workers.For(batch.Count, sequence =>
        {
            for (var row = batch.Starts[sequence]; row < batch.Starts[sequence + 1]; row++)
            {
                var key = (uint)SplitMix64.Hash(batch.DropoutSeeds[sequence], module, (ulong)batch.Positions[row]);
                Span<float> input = x[row], output = y[row];
                for (var i = 0; i < input.Length; i++)
                    output[i] = Hash((uint)i * 0x9E3779B9u ^ key) >= threshold ? input[i] * scale : 0;
            }
        });
    }

    private static uint Hash(uint x)
    {
        x = (x ^ x >> 16) * 0x7FEB352Du;
        x = (x ^ x >> 15) * 0x846CA68Bu;
        return x ^ x >> 16;
    }
}
