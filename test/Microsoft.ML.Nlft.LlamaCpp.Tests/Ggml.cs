using System.Runtime.InteropServices;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.LlamaCpp;

/// <summary>The functions of ggml, part of llama.cpp, that quantise rows and compute their values.</summary>
internal static class Ggml
{
    private const string Library = "ggml-base";

    private delegate void Dequantise(byte[] blocks, float[] values, long count);

    /// <summary>Quantises one row.</summary>
    public static byte[] Quantise(GgufType type, float[] values)
    {
        NativeLibrary.Require();
        var blocks = new byte[values.Length / type.Block().Values * type.Block().Bytes];
        Assert.AreEqual((nuint)blocks.Length, QuantiseChunk(type, values, blocks, 0, 1, values.Length, null));
        return blocks;
    }

    /// <summary>Computes the values of whole blocks.</summary>
    public static float[] ToSingle(GgufType type, byte[] blocks)
    {
        NativeLibrary.Require();
        var name = $"{type}".ToLowerInvariant();
        var library = System.Runtime.InteropServices.NativeLibrary.Load(Library, typeof(Ggml).Assembly, null);
        var function = System.Runtime.InteropServices.NativeLibrary.GetExport(library,
            "dequantize_row_" + (name.EndsWith("_k", StringComparison.Ordinal) ? name[..^1] + "K" : name));
        var values = new float[blocks.Length / type.Block().Bytes * type.Block().Values];
        Marshal.GetDelegateForFunctionPointer<Dequantise>(function)(blocks, values, values.Length);
        return values;
    }

    [DllImport(Library, EntryPoint = "ggml_quantize_chunk")]
    private static extern nuint QuantiseChunk(GgufType type, float[] values, byte[] blocks, long start, long rows, long columns, float[]? importance);
}
