using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Gpu;

/// <summary>Writes a model folder of random BF16 weights. Speed and memory do not depend on the values, so one block of them is repeated.</summary>
internal static class RandomModel
{
    private const int BlockValues = 1 << 20;

    /// <summary>Writes the folder unless it exists.</summary>
    public static void Write(Workload work)
    {
        var folder = Path.Combine(work.Folder, work.Shape);
        if (File.Exists(Path.Combine(folder, "model.safetensors"))) return;
        var random = new Random(1);
        var values = new float[BlockValues];
        for (var i = 0; i < values.Length; i++) values[i] = (random.NextSingle() - 0.5f) * 0.07f; // standard deviation 0.02
        var (matrix, ones) = (Bytes(values), Bytes([.. Enumerable.Repeat(1f, BlockValues)]));
        ModelFolderWriter.Write(folder, ModelConfigurationWriter.ToJson(work.Model, TensorType.BF16), ModelLayout.Weights(work.Model).Select(weight =>
            new SafetensorsSource(weight.Name, TensorType.BF16, weight.Shape, stream =>
            {
                var left = 2 * weight.Shape.Aggregate(1L, (product, size) => product * size);
                var block = weight.Shape.Length > 1 ? matrix : ones;
                for (; left > 0; left -= block.Length) stream.Write(block.AsSpan(0, (int)Math.Min(left, block.Length)));
            })));
    }

    private static byte[] Bytes(float[] values)
    {
        var bytes = new byte[2 * values.Length];
        TensorConversion.FromSingle(TensorType.BF16, values, bytes);
        return bytes;
    }
}
