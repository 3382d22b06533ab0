using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// Writes a LoRA adapter as a GGUF file that llama.cpp applies to a base model: general.type adapter, the factors in float32 under the names of their
/// weights. llama.cpp scales every update by adapter.lora.alpha / rank, so a scaling that differs from that is multiplied into lora_b.
/// </summary>
internal static class GgufAdapter
{
    public static void Write(string path, LoraAdapter adapter, ModelFolder model, string name)
    {
        adapter.EnsureFits(model.Configuration);
        var linears = ModelLayout.LinearModules(model.Configuration).ToDictionary(linear => linear.Name, StringComparer.Ordinal);
        RequireFactorsAlone(adapter);
        var architecture = GgufModelKeys.Of(model.Configuration).Architecture;
        var factors = adapter.Factors.ToDictionary(factor => factor.Name, StringComparer.Ordinal);
        (string, object)[] metadata =
        [
            ("general.architecture", architecture.Name), ("general.type", "adapter"), ("general.name", name), ("general.file_type", 0u),
            ("adapter.type", "lora"), ("adapter.lora.alpha", (float)adapter.Configuration.Alpha),
        ];
        var tensors = adapter.Configuration.Resolve(model.Configuration).SelectMany(Tensors).ToList();
        AtomicFile.Write(path, stream => GgufWriter.WriteTo(stream, metadata, tensors));

        GgufSource[] Tensors(LoraTarget target)
        {
            var linear = linears[target.Module];
            if (linear.Experts > 1) throw Refuse($"factors of the experts \"{linear.Name}\"");
            var weight = architecture.FileName(linear.Parts[0].Weight);
            var (a, b) = (factors[target.Module + LoraLayout.A], factors[target.Module + LoraLayout.B]);
            var factor = target.Scaling / (adapter.Configuration.Alpha / target.Rank);
            var order = architecture.OrderOf(target.Module, model.Configuration);
            var values = new float[b.Values.Length];
            for (var i = 0; i < values.Length; i++)
            {
                var (row, column) = (i / target.Rank, i % target.Rank);
                values[i] = (float)(b.Values[order.Source(row) * target.Rank + column] * factor);
            }
            return [GgufSource.From(weight + ".lora_a", Shape(a), a.Values), GgufSource.From(weight + ".lora_b", Shape(b), values)];
        }
    }

    private static void RequireFactorsAlone(LoraAdapter adapter)
    {
        var configuration = adapter.Configuration;
        var other = configuration.UseDora ? "magnitudes (use_dora)" : configuration.LoraBias ? "biases of B (lora_bias)"
            : configuration.Bias != TrainedBiases.None ? "trained biases (bias)"
            : adapter.Factors.FirstOrDefault(factor => LoraLayout.IsEnd(LoraLayout.Split(factor.Name).Module)) is { } end
                ? $"\"{end.Name}\", of the embedding or the output layer" : null;
        if (other is not null) throw Refuse(other);
    }

    private static NlftException Refuse(string other) => new("adapter, as GGUF", other,
        "factors A and B of single matrices alone, which llama.cpp applies",
        "Write the whole model with the adapter merged into it (nlft export --gguf FILE).");

    private static long[] Shape(NamedTensor tensor) => [.. tensor.Shape.Select(size => (long)size)];
}
