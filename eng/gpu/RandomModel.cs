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
        var block = new float[BlockValues];
        for (var i = 0; i < block.Length; i++) block[i] = (random.NextSingle() - 0.5f) * 0.07f; // standard deviation 0.02
        var arrays = new Dictionary<long, float[]>(); // one of each length
        ModelFolderWriter.Write(folder, work.Model, [.. ModelLayout.Weights(work.Model).Select(Tensor)], TensorType.BF16);

        NamedTensor Tensor(WeightShape weight) => new(weight.Name, [.. weight.Shape.Select(size => (int)size)],
            weight.Shape.Length == 1 ? [.. Enumerable.Repeat(1f, (int)weight.Shape[0])] : Matrix(weight.Shape[0] * weight.Shape[1]));

        float[] Matrix(long length)
        {
            if (arrays.TryGetValue(length, out var values)) return values;
            values = arrays[length] = new float[length];
            for (var at = 0L; at < length; at += BlockValues) block.AsSpan(0, (int)Math.Min(BlockValues, length - at)).CopyTo(values.AsSpan((int)at));
            return values;
        }
    }
}
