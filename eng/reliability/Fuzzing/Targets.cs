using System.Text;
using Microsoft.ML.Nlft.ChatTemplates;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tokenization;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>The readers of untrusted files.</summary>
internal static class Targets
{
    private static readonly string[] s_texts = ["Hello, world 12 + 34 = 46!", "  a\u00e9\U0001F600\t\nx<s></s> 'll", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa!"];
    private static readonly ChatTemplateOptions s_templateLimits = new() { MaximumSteps = 200_000, MaximumLength = 200_000 };

    /// <summary>Gets all targets.</summary>
    public static IReadOnlyList<Target> All { get; } =
    [
        new("safetensors", "model.safetensors", [Safetensors()], Framed.Mutate, folder =>
        {
            using var file = SafetensorsFile.Open(Path.Combine(folder, "model.safetensors"));
            foreach (var entry in file.Entries) _ = file.Tensor(entry.Name).Bytes.Span.Length;
        }),
        new("index", "model.safetensors.index.json", Seeds("index"), Json.Mutate, folder =>
        {
            foreach (var name in (string[])["a.safetensors", "b.safetensors"])
                if (!File.Exists(Path.Combine(folder, name))) File.WriteAllBytes(Path.Combine(folder, name), Shard(name[..1]));
            using var weights = ModelWeights.Open(folder);
        }),
        new("config", "config.json", Seeds("config"), Json.Mutate, folder =>
        {
            var configuration = ModelConfigurationReader.Load(Path.Combine(folder, "config.json"));
            _ = ModelLayout.Weights(configuration).Count;
        }),
        new("tokenizer", "tokenizer.json", Seeds("tokenizer"), Json.Mutate, folder =>
        {
            var tokenizer = HuggingFaceTokenizer.Load(folder);
            foreach (var text in s_texts) _ = tokenizer.Decode([.. tokenizer.EncodeToIds(text)], skipSpecialTokens: false);
        }) { Memory = 256 << 20 }, // every encoding step creates its pieces again
        new("adapter", "adapter_config.json", Seeds("adapter"), Json.Mutate, folder =>
        {
            var (configuration, _) = LoraConfigurationJson.Load(Path.Combine(folder, "adapter_config.json"));
            _ = configuration.Resolve("model.layers.0.mlp.gate_proj");
        }),
        new("template", "chat_template.jinja", Seeds("template"), Words.Mutate, folder =>
            ChatTemplate.Load(folder,
                s_templateLimits)!.Render([new("system", "Be brief."), new("user", "Hi"), new("assistant", "Yes?"), new("user", "What is 2 + 3?")],
                addGenerationPrompt: true)),
        new("jsonlines", "rows.jsonl", Seeds("jsonlines"), Lines, folder => DataFile.ReadExamples(Path.Combine(folder, "rows.jsonl"))),
        new("checkpoint", "step-00000001.safetensors", [CheckpointBytes()], Framed.MutateCheckpoint,
            folder => Checkpoint.Load(Path.Combine(folder, "step-00000001.safetensors"))),
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

    private static byte[] Safetensors()
    {
        using var stream = new MemoryStream();
        SafetensorsWriter.WriteTo(stream, "seed",
        [
            SafetensorsSource.From(new NamedTensor("model.embed_tokens.weight", [2, 3], [1, 2, 3, 4, 5, 6]), TensorType.F32),
            SafetensorsSource.From(new NamedTensor("model.norm.weight", [3], [1, 2, 3]), TensorType.BF16),
            SafetensorsSource.From(new NamedTensor("scalar", [], [1]), TensorType.F64),
        ]);
        return stream.ToArray();
    }

    private static byte[] Shard(string name)
    {
        using var stream = new MemoryStream();
        SafetensorsWriter.WriteTo(stream, name, [SafetensorsSource.From(new NamedTensor($"{name}.weight", [2], [1, 2]), TensorType.F32)]);
        return stream.ToArray();
    }

    private static byte[] CheckpointBytes()
    {
        var step = new TrainingProgress
        {
            Step = 1, TotalSteps = 4, Epoch = 0.5, Loss = 1, TokenAccuracy = 0.5, SalientShare = 0, GradientNorm = 1, LearningRate = 1e-3,
            TokensSeen = 10, TokensPerSecond = 5, Elapsed = TimeSpan.FromSeconds(1), Remaining = TimeSpan.FromSeconds(3),
        };
        var path = Path.Combine(Path.GetTempPath(), $"nlft-seed-{Guid.NewGuid()}.safetensors");
        new Checkpoint
        {
            Run = new RunIdentity("base", "managed", new Dictionary<string, string> { ["Epochs"] = "2" }, ["0123456789abcdef", "fedcba9876543210"]),
            State = new RunState { RowsDone = 1, Step = 1, Steps = { step } },
            TokensScored = 3,
            KeptContexts = [new NamedTensor("judge", [2], [1, 2]), new NamedTensor("standard", [0], [])],
            ModelWeights = [new NamedTensor("w", [1, 2], [1, 2])],
            OptimizerState = [new NamedTensor("w.exp_avg", [1, 2], [0, 0]), new NamedTensor("step", [], [1])],
        }.Save(path);
        var bytes = File.ReadAllBytes(path);
        File.Delete(path);
        return bytes;
    }
}
