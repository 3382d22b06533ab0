using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>The two products of one query with a page of a key/value cache: its scores against the keys, and the sum of the values under its weights.</summary>
internal static class DecodeKernels
{
    /// <summary>scores[j] = scale * sum_i query[i] keys[i * page + j] for all positions j of a page, page = |scores|, a multiple of 32.</summary>
    public static void Scores(ReadOnlySpan<float> query, ReadOnlySpan<float> keys, float scale, Span<float> scores)
    {
        ref var k = ref MemoryMarshal.GetReference(keys);
        ref var s = ref MemoryMarshal.GetReference(scores);
        for (var j = 0; j < scores.Length; j += 32)
        {
            Vector256<float> s0 = default, s1 = default, s2 = default, s3 = default;
            var at = (nuint)j;
            foreach (var q in query)
            {
                var x = Vector256.Create(q);
                s0 = Vector256.FusedMultiplyAdd(x, Vector256.LoadUnsafe(ref k, at), s0);
                s1 = Vector256.FusedMultiplyAdd(x, Vector256.LoadUnsafe(ref k, at + 8), s1);
                s2 = Vector256.FusedMultiplyAdd(x, Vector256.LoadUnsafe(ref k, at + 16), s2);
                s3 = Vector256.FusedMultiplyAdd(x, Vector256.LoadUnsafe(ref k, at + 24), s3);
                at += (nuint)scores.Length;
            }
            (s0 * scale).StoreUnsafe(ref s, (nuint)j);
            (s1 * scale).StoreUnsafe(ref s, (nuint)j + 8);
            (s2 * scale).StoreUnsafe(ref s, (nuint)j + 16);
            (s3 * scale).StoreUnsafe(ref s, (nuint)j + 24);
        }
    }

    /// <summary>output[i] += sum_j weights[j] values[j * d + i] for the positions j that have a weight, d = |output|.</summary>
    public static void AddWeighted(ReadOnlySpan<float> weights, ReadOnlySpan<float> values, Span<float> output)
    {
        ref var v = ref MemoryMarshal.GetReference(values);
        ref var o = ref MemoryMarshal.GetReference(output);
        int size = output.Length, i = 0;
        for (; i + 32 <= size; i += 32)
        {
            var at = (nuint)i;
            Vector256<float> s0 = Vector256.LoadUnsafe(ref o, at), s1 = Vector256.LoadUnsafe(ref o, at + 8), s2 = Vector256.LoadUnsafe(ref o, at + 16), s3 = Vector256.LoadUnsafe(ref o, at + 24);
            foreach (var weight in weights)
            {
                var w = Vector256.Create(weight);
                s0 = Vector256.FusedMultiplyAdd(w, Vector256.LoadUnsafe(ref v, at), s0);
                s1 = Vector256.FusedMultiplyAdd(w, Vector256.LoadUnsafe(ref v, at + 8), s1);
                s2 = Vector256.FusedMultiplyAdd(w, Vector256.LoadUnsafe(ref v, at + 16), s2);
                s3 = Vector256.FusedMultiplyAdd(w, Vector256.LoadUnsafe(ref v, at + 24), s3);
                at += (nuint)size;
            }
            s0.StoreUnsafe(ref o, (nuint)i);
            s1.StoreUnsafe(ref o, (nuint)i + 8);
            s2.StoreUnsafe(ref o, (nuint)i + 16);
            s3.StoreUnsafe(ref o, (nuint)i + 24);
        }
        for (; i < size; i++)
            for (var j = 0; j < weights.Length; j++) output[i] = MathF.FusedMultiplyAdd(weights[j], values[j * size + i], output[i]);
    }
}
