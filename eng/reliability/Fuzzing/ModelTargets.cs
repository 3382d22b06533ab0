using System.Text.Json;
using Microsoft.ML.Nlft.ChatTemplates;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>The readers of weights and their settings.</summary>
internal static class ModelTargets
{
    private const int SplitAt = 3;

    /// <summary>Gets the targets.</summary>
    public static IReadOnlyList<Target> All { get; } =
    [
        new("safetensors", "model.safetensors", [TinyModel.Files.Weights], Framed.Mutate, OpenModel),
        new("index", "model.safetensors.index.json", [Index()], Json.Mutate, folder =>
        {
            if (!File.Exists(Path.Combine(folder, "a.safetensors")))
            {
                var (first, others) = Framed.Split(TinyModel.Files.Weights, SplitAt);
                File.WriteAllBytes(Path.Combine(folder, "a.safetensors"), first);
                File.WriteAllBytes(Path.Combine(folder, "b.safetensors"), others);
            }
            OpenModel(folder);
        }),
        new("gguf", "model.gguf", GgufSeeds.All, GgufSeeds.Mutate, folder =>
        {
            var path = Path.Combine(folder, "model.gguf");
            using var model = ModelFolder.Open(path);
            _ = model.WeightFingerprint;
            foreach (var weight in ModelLayout.Weights(model.Configuration)) _ = model.Tensor(weight.Name, weight.Shape).ToArray().Length;
            TextTargets.Use(HuggingFaceTokenizer.Load(path));
            _ = ChatTemplate.Load(path, TextTargets.TemplateLimits)?.Render([new("user", "Hi")], addGenerationPrompt: true);
        }) { Memory = 256 << 20 },
        new("config", "config.json", SeedFiles.Of("config"), Json.Mutate, folder => _ = ModelLayout.Weights(ModelConfiguration.Load(folder)).Count),
        new("adapter", "adapter_config.json", SeedFiles.Of("adapter"), Json.Mutate, folder =>
            LoraConfiguration.Load(folder).Resolve("model.layers.0.mlp.gate_proj")),
        new("lora", "adapter.zip", [Adapter()], ZipBytes.Mutate, folder =>
        {
            TinyModel.Put(folder);
            Folders.Unpack(folder, "adapter.zip", "adapter_config.json", "adapter_model.safetensors");
            var adapter = LoraAdapter.Load(folder);
            using var model = ModelFolder.Open(folder);
            adapter.MergeInto(model, Path.Combine(folder, "merged"), overwrite: true);
        }),
    ];

    /// <summary>Opens the folder as that of the tiny model and reads of every tensor.</summary>
    private static void OpenModel(string folder)
    {
        if (!File.Exists(Path.Combine(folder, "config.json")))
            File.WriteAllBytes(Path.Combine(folder, "config.json"), TinyModel.Files.Configuration);
        using var model = ModelFolder.Open(folder);
        _ = model.WeightFingerprint;
        foreach (var weight in ModelLayout.Weights(model.Configuration)) _ = model.Tensor(weight.Name, weight.Shape).Bytes.Span.Length;
    }

    private static byte[] Index()
    {
        var map = Framed.Names(TinyModel.Files.Weights).Index()
            .ToDictionary(pair => pair.Item, pair => pair.Index < SplitAt ? "a.safetensors" : "b.safetensors");
        return JsonSerializer.SerializeToUtf8Bytes(new { metadata = new { total_size = 16 }, weight_map = map });
    }

    private static byte[] Adapter() => ZipBytes.Write(
    [
        ("adapter_config.json", TinyModel.Files.AdapterConfiguration), ("adapter_model.safetensors", TinyModel.Files.Adapter),
    ]);
}
