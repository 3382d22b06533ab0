using System.Text.Json.Nodes;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tests.ModelFiles;

/// <summary>Models in several weight files, as larger models are published.</summary>
internal static class Shards
{
    /// <summary>Writes a model again, its tensors distributed over shards in turn.</summary>
    public static void Write(string folder, ModelFolder model, int count)
    {
        var map = new JsonObject();
        foreach (var shard in model.TensorNames.Index().GroupBy(tensor => tensor.Index % count, tensor => tensor.Item))
        {
            var file = $"model-{shard.Key + 1:00000}-of-{count:00000}.safetensors";
            SafetensorsWriter.Write(Path.Combine(folder, file), shard.Select(name => SafetensorsSource.From(model.RawTensor(name))),
                new Dictionary<string, string> { ["format"] = "pt", ["shard"] = $"{shard.Key}" });
            foreach (var name in shard) map[name] = file;
        }
        File.WriteAllBytes(Path.Combine(folder, "config.json"), model.ConfigurationJson);
        File.WriteAllText(Path.Combine(folder, "model.safetensors.index.json"),
            new JsonObject { ["metadata"] = new JsonObject { ["total_size"] = 12345 }, ["weight_map"] = map }.ToJsonString());
    }
}
