using System.Text;
using System.Text.Json;
using Microsoft.ML.Nlft.ChatTemplates;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Tokenization;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>The readers of untrusted files.</summary>
internal static class Targets
{
    private static readonly string[] s_texts = ["Hello, world 12 + 34 = 46!", "  a\u00e9\U0001F600\t\nx<s></s> 'll", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa!"];
    private const int SplitAt = 3;

    private static readonly ModelConfiguration s_tiny = new()
    {
        ModelType = "llama", VocabularySize = 8, HiddenSize = 4, IntermediateSize = 4, LayerCount = 1, HeadCount = 2, KeyValueHeadCount = 1,
        HeadSize = 2, MaximumPositions = 16, TieWordEmbeddings = true, SlidingWindows = [0], EndOfSequenceIds = [0],
    };

    private static readonly (byte[] Configuration, byte[] Weights, byte[] Checkpoint) s_seed = MakeSeeds();
    private static readonly ChatTemplateOptions s_templateLimits = new() { MaximumSteps = 200_000, MaximumLength = 200_000 };

    /// <summary>Gets all targets.</summary>
    public static IReadOnlyList<Target> All { get; } =
    [
        new("safetensors", "model.safetensors", [s_seed.Weights], Framed.Mutate, OpenModel),
        new("index", "model.safetensors.index.json", [Index()], Json.Mutate, folder =>
        {
            var (first, others) = Framed.Split(s_seed.Weights, SplitAt);
            if (!File.Exists(Path.Combine(folder, "a.safetensors"))) File.WriteAllBytes(Path.Combine(folder, "a.safetensors"), first);
            if (!File.Exists(Path.Combine(folder, "b.safetensors"))) File.WriteAllBytes(Path.Combine(folder, "b.safetensors"), others);
            OpenModel(folder);
        }),
        new("gguf", "model.gguf", GgufSeeds.All, GgufSeeds.Mutate, folder =>
        {
            var path = Path.Combine(folder, "model.gguf");
            using var model = ModelFolder.Open(path);
            _ = model.WeightFingerprint;
            foreach (var weight in ModelLayout.Weights(model.Configuration)) _ = model.Tensor(weight.Name, weight.Shape).ToArray().Length;
            var tokenizer = HuggingFaceTokenizer.Load(path);
            foreach (var text in s_texts) _ = tokenizer.Decode([.. tokenizer.EncodeToIds(text)], skipSpecialTokens: false);
            _ = ChatTemplate.Load(path, s_templateLimits)?.Render([new("user", "Hi")], addGenerationPrompt: true);
        }) { Memory = 256 << 20 },
        new("config", "config.json", Seeds("config"), Json.Mutate, folder =>
        {
            var configuration = ModelConfiguration.Load(folder);
            _ = ModelLayout.Weights(configuration).Count;
        }),
        new("tokenizer", "tokenizer.json", Seeds("tokenizer"), Json.Mutate, folder =>
        {
            var tokenizer = HuggingFaceTokenizer.Load(folder);
            foreach (var text in s_texts) _ = tokenizer.Decode([.. tokenizer.EncodeToIds(text)], skipSpecialTokens: false);
        }) { Memory = 256 << 20 }, // every encoding step creates its pieces again
        new("adapter", "adapter_config.json", Seeds("adapter"), Json.Mutate, folder =>
            LoraConfiguration.Load(folder).Resolve("model.layers.0.mlp.gate_proj")),
        new("template", "chat_template.jinja", Seeds("template"), Words.Mutate, folder =>
            ChatTemplate.Load(folder, s_templateLimits)!.Render(
                [new("system", "Be brief."), new("user", "Hi"), new("assistant", "Yes?"), new("user", "What is 2 + 3?")],
                addGenerationPrompt: true)),
        new("jsonlines", "rows.jsonl", Seeds("jsonlines"), Lines, folder => DataFile.ReadExamples(Path.Combine(folder, "rows.jsonl"))),
        new("checkpoint", "step-00000001.safetensors", [s_seed.Checkpoint], Framed.MutateCheckpoint,
            folder => CheckpointSummary.Load(Path.Combine(folder, "step-00000001.safetensors"))),
        new("nlft", "nlft.json", Seeds("nlft"), Json.Mutate, folder =>
        {
            var description = LocalModelDescription.Load(folder);
            description.Save(Path.Combine(folder, "copy"));
        }),
    ];

    private static byte[] Lines(Random random, byte[] input)
    {
        var lines = Encoding.UTF8.GetString(input).Split('\n');
        if (random.Next(3) == 0) return Bytes.Mutate(random, input);
        var at = random.Next(lines.Length);
        return Encoding.UTF8.GetBytes(string.Join('\n', lines.Select((line, i) => i == at
            ? Encoding.UTF8.GetString(Json.Mutate(random, Encoding.UTF8.GetBytes(line))) : line)));
    }

    private static IReadOnlyList<byte[]> Seeds(string folder)
    {
        var assembly = typeof(Targets).Assembly;
        return [.. assembly.GetManifestResourceNames().Where(name => name.Replace('\\', '/').StartsWith($"seeds/{folder}/", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal).Select(name =>
        {
            using var stream = assembly.GetManifestResourceStream(name)!;
            var bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
            return bytes;
        })];
    }

    /// <summary>Opens the folder as that of the tiny model and reads of every tensor.</summary>
    private static void OpenModel(string folder)
    {
        if (!File.Exists(Path.Combine(folder, "config.json"))) File.WriteAllBytes(Path.Combine(folder, "config.json"), s_seed.Configuration);
        using var model = ModelFolder.Open(folder);
        _ = model.WeightFingerprint;
        foreach (var weight in ModelLayout.Weights(model.Configuration)) _ = model.Tensor(weight.Name, weight.Shape).Bytes.Span.Length;
    }

    private static byte[] Index()
    {
        var map = Framed.Names(s_seed.Weights).Index()
            .ToDictionary(pair => pair.Item, pair => pair.Index < SplitAt ? "a.safetensors" : "b.safetensors");
        return JsonSerializer.SerializeToUtf8Bytes(new { metadata = new { total_size = 16 }, weight_map = map });
    }

    /// <summary>Makes a tiny random model and trains an adapter of it for one step of two, with a checkpoint.</summary>
    private static (byte[] Configuration, byte[] Weights, byte[] Checkpoint) MakeSeeds()
    {
        var place = Directory.CreateTempSubdirectory("nlft-seed-");
        try
        {
            ModelInitializer.Create(place.FullName, s_tiny, seed: 1, TensorType.BF16);
            byte[] Bytes(string name) => File.ReadAllBytes(Path.Combine(place.FullName, name));
            using (var folder = ModelFolder.Open(place.FullName))
            using (var network = new ManagedEngine(1).Load(new()
            {
                Folder = folder, Trainable = TrainableWeights.Lora, Lora = new() { Rank = 1, TargetModules = ["up_proj"] },
            }))
            {
                EncodedExample[] rows = [new(Polarity.Correct, [1, 2], [3, 4], [], [5], "a"), new(Polarity.Incorrect, [2, 1], [3, 4], [6], [5], "b")];
                var options = new FineTuneOptions
                {
                    Epochs = 1, BatchSize = 1, CheckpointFolder = place.FullName, CheckpointSteps = 1, CheckpointsKept = 2,
                };
                new TrainingRun(network, rows, new NaturalLanguageObjective(), options) { BaseModel = "base", Engine = "managed" }.Run();
            }
            return (Bytes("config.json"), Bytes("model.safetensors"), Bytes("step-00000001.safetensors"));
        }
        finally
        {
            place.Delete(recursive: true);
        }
    }
}
