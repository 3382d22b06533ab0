using System.Runtime.Intrinsics;
using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// Rotary position embedding (Su et al., arXiv 2104.09864) in the rotate-half layout: with a = position * f_i, the pair
/// (x_i, x_{i+d/2}) of the first d values of a head is rotated by the angle a; others stay as they are. The backward pass rotates by -a.
/// </summary>
internal static class RotaryEmbedding
{
    /// <summary>Rotates every head of x[N x heads d] in place; <paramref name="direction"/> is 1 forward and -1 backward.</summary>
    public static void Rotate(EngineContext context, RotaryRows rope, int headSize, Matrix x, int direction) =>
        context.ForRows(x.Rows, (rope, headSize, x, context.Rows, direction), static (loop, row) =>
        {
            var (rope, half) = (loop.rope, loop.rope.Pairs);
            var start = (rope.ByPosition ? loop.Rows.Positions[row] : loop.Rows.IsAll ? row : loop.Rows.BatchRow(row)) * half;
            ReadOnlySpan<float> cosine = rope.Cosine.AsSpan(start, half), sine = rope.Sine.AsSpan(start, half);
            for (var head = loop.x[row]; head.Length > 0; head = head[loop.headSize..])
            {
                Rotate(head[..half], head.Slice(half, half), cosine, sine, loop.direction);
            }
        });

    private static void Rotate(Span<float> first, Span<float> second, ReadOnlySpan<float> cosine, ReadOnlySpan<float> sine, int direction)
    {
        var i = 0;
        for (; i + 8 <= first.Length; i += 8)
        {
            Vector256<float> a = Vector256.Create(first.Slice(i, 8)), b = Vector256.Create(second.Slice(i, 8));
            Vector256<float> c = Vector256.Create(cosine.Slice(i, 8)), s = Vector256.Create(sine.Slice(i, 8)) * direction;
            (a * c - b * s).CopyTo(first[i..]);
            (b * c + a * s).CopyTo(second[i..]);
        }
        for (; i < first.Length; i++)
        {
            float a = first[i], b = second[i], s = sine[i] * direction;
            first[i] = a * cosine[i] - b * s;
            second[i] = b * cosine[i] + a * s;
        }
    }
}
