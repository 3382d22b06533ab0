using System.Globalization;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Reliability.Fuzzing;
using Microsoft.ML.Nlft.Tests.ModelFiles;
using Microsoft.ML.Nlft.Training;
using static Microsoft.ML.Nlft.Tests.Reliability.Growth.GrowthCase;

namespace Microsoft.ML.Nlft.Tests.Reliability.Growth;

/// <summary>The lists of weights, of their settings, of adapters and of checkpoints.</summary>
internal static class ModelGrowth
{
    private const string Up = "model.layers.0.mlp.up_proj";

    public static IReadOnlyList<GrowthCase> All { get; } =
    [
        Safetensors("tensors of safetensors", n => (Join(n, i => $"\"t{i}\":{Tensor(i)}"), n)),
        Safetensors("metadata of safetensors", n => ($"\"__metadata__\":{{{Join(n, i => $"\"k{i}\":\"v\"")}}}", 0)),
        Safetensors("name of a tensor", n => ($"\"{Repeat("t", n)}\":{Tensor(0)}", 1)),
        new("tensors of an index", (folder, n) =>
        {
            folder.Write("a.safetensors", TemporaryFolder.Safetensors("{" + Join(n, i => $"\"t{i}\":{Tensor(i)}") + "}", n));
            folder.Write("model.safetensors.index.json", $"{{\"weight_map\":{{{Join(n, i => $"\"t{i}\":\"a.safetensors\"")}}}}}");
            return () => Closed(ModelWeights.Open(folder.Path));
        }),
        new("files of an index", (folder, n) =>
        {
            var files = n / 20; // a file each
            foreach (var i in Numbers(files)) folder.Write($"f{i}.safetensors", TemporaryFolder.Safetensors($"{{\"t{i}\":{Tensor(0)}}}", 1));
            folder.Write("model.safetensors.index.json", $"{{\"weight_map\":{{{Join(files, i => $"\"t{i}\":\"f{i}.safetensors\"")}}}}}");
            return () => Closed(ModelWeights.Open(folder.Path));
        }),

        Config("end-of-sequence ids", n => $"\"vocab_size\":{2 * n},\"eos_token_id\":[{Join(n, i => $"{i}")}]"),
        Config("layer types", n => $"\"num_hidden_layers\":{n / 10},\"layer_types\":[{Texts(n / 10, _ => "full_attention")}]"),
        Config("rotated layers", n =>
            $"\"model_type\":\"smollm3\",\"num_hidden_layers\":{n / 10},\"no_rope_layers\":[{Join(n / 10, i => $"{i % 2}")}]"),
        Config("dense layers", n => $"\"model_type\":\"qwen3_moe\",\"mlp_only_layers\":[{Join(n, i => $"{i}")}]"),
        Config("frequency factors", n => $"\"head_dim\":{2 * n},\"max_position_embeddings\":64,\"rope_scaling\":{{\"rope_type\":\"longrope\","
            + $"\"original_max_position_embeddings\":32,\"short_factor\":[{Join(n, _ => "1.0")}],\"long_factor\":[{Join(n, _ => "2.0")}]}}"),
        Config("keys of a configuration", n => Join(n, i => $"\"k{i}\":{i}")),
        Config("list of an unknown key", n => $"\"id2label\":[{Texts(n, i => $"LABEL_{i}")}]"),
        new("end-of-sequence ids of the generation", (folder, n) =>
        {
            ModelInitializer.Create(folder.Path, TinyModel.Configuration with { VocabularySize = 2 * n }, seed: 1);
            folder.Write("generation_config.json", $"{{\"eos_token_id\":[{Join(n, i => $"{i}")}]}}");
            return () => Closed(ModelFolder.Open(folder.Path));
        }),

        Adapter("target modules", n => $"\"target_modules\":[{Texts(n, i => $"m{i}")}]"),
        Adapter("excluded modules", n => $"\"target_modules\":[\"up_proj\"],\"exclude_modules\":[{Texts(n, i => $"m{i}")}]"),
        Adapter("target parameters", n => $"\"target_modules\":[\"up_proj\"],\"target_parameters\":[{Texts(n, i => $"m{i}.weight")}]"),
        Adapter("layers of an adapter", n => $"\"target_modules\":[\"up_proj\"],\"layers_to_transform\":[{Join(n, i => $"{i}")}]"),
        Adapter("layers pattern", n => $"\"target_modules\":[\"up_proj\"],\"layers_pattern\":[{Texts(n, _ => "layers")}]"),
        Adapter("saved modules", n => $"\"target_modules\":[\"up_proj\"],\"modules_to_save\":[{Texts(n, _ => "lm_head")}]"),
        Adapter("rank pattern", n => $"\"target_modules\":[\"up_proj\"],\"rank_pattern\":{{{Join(n, i => $"\"m{i}\":{i + 1}")}}}"),
        Adapter("rank pattern of paths", n => "\"target_modules\":[\"up_proj\"],"
            + $"\"rank_pattern\":{{{Join(n, i => $"\"model.layers.{i + 1}.mlp.up_proj\":{i + 1}")}}}"),
        Adapter("alpha pattern", n => $"\"target_modules\":[\"up_proj\"],\"alpha_pattern\":{{{Join(n, i => $"\"m{i}\":{i + 1}")}}}"),
        Adapter("alpha pattern of expressions", n =>
            $"\"target_modules\":[\"up_proj\"],\"alpha_pattern\":{{{Join(n / 20, i => $"\"m{i}\\\\d*\":{i + 1}")}}}"),
        Adapter("target expression", n => $"\"target_modules\":\"{Repeat("a", n / 10)}.*\""),
        new("factors of an adapter", (folder, n) =>
        {
            folder.Write("adapter_config.json", AdapterConfig("\"target_modules\":[\"up_proj\"]"));
            SafetensorsWriter.Write(folder.File("adapter_model.safetensors"), Numbers(n / 4).SelectMany(i => new[]
            {
                Factor(i, "lora_A", [8, 1]), Factor(i, "lora_B", [1, 8]),
            }));
            return () => LoraAdapter.Load(folder.Path);
        }),

        new("steps of a checkpoint", (folder, n) => Checkpointed(folder, checkpoint =>
        {
            var step = checkpoint.State.Steps[0];
            checkpoint.State.Steps.Clear();
            checkpoint.State.Steps.AddRange(Numbers(n).Select(i => step with { Step = i + 1 }));
            checkpoint.State.Step = n + checkpoint.State.Skipped;
            return checkpoint;
        })),
        new("evaluations of a checkpoint", (folder, n) => Checkpointed(folder, checkpoint =>
        {
            checkpoint.State.Evaluations.AddRange(Numbers(n).Select(i => new ValidationReport { Step = i, Epoch = 1, Loss = 1 }));
            checkpoint.State.EvaluationsReported = 0;
            return checkpoint;
        })),
        new("contexts of a checkpoint", (folder, n) => Checkpointed(folder, checkpoint =>
            new Checkpoint
            {
                Run = checkpoint.Run, State = checkpoint.State, TokensScored = checkpoint.TokensScored, ModelWeights = checkpoint.ModelWeights,
                OptimizerState = checkpoint.OptimizerState, KeptContexts = [.. Numbers(n).Select(i => new NamedTensor($"c{i}", [1], [1]))],
            })),

        Gguf("keys of GGUF", (file, n) => Numbers(n).Aggregate(file, (all, i) => all.Add($"k{i}", i))),
        Gguf("texts of a GGUF array", (file, n) => file.Add("k", Numbers(n).Select(i => $"t{i}").ToArray())),
        Gguf("numbers of a GGUF array", (file, n) => file.Add("k", Numbers(n).ToArray())),
        Gguf("a text of GGUF", (file, n) => file.Add("k", Repeat("a", n))),
        Of("tensors of GGUF", "model.gguf", n => Numbers(n).Aggregate(new GgufBytes(), (all, i) => all.Floats($"t{i}", [1], 1)).Build(),
            path => Closed(GgufFile.Open(path))),
        Gguf("layers of GGUF", (file, n) => file, n => n / 100),
    ];

    private static GrowthCase Safetensors(string name, Func<int, (string Header, int Bytes)> header) => Of(name, "a.safetensors", n =>
        {
            var (keys, bytes) = header(n);
            return TemporaryFolder.Safetensors("{" + keys + "}", bytes);
        }, path => Closed(SafetensorsFile.Open(path)));

    private static GrowthCase Config(string name, Func<int, string> keys) =>
        Of(name, "config.json", n => ModelConfigurationTests.Config("{" + keys(n) + "}"), ModelConfiguration.Load);

    private static GrowthCase Adapter(string name, Func<int, string> keys) => Of(name, "adapter_config.json", n => AdapterConfig(keys(n)), path =>
    {
        var configuration = LoraConfiguration.Load(Path.GetDirectoryName(path)!);
        configuration.Resolve(Up);
        return configuration;
    });

    private static GrowthCase Gguf(string name, Func<GgufBytes, int, GgufBytes> add, Func<int, int>? layers = null) =>
        Of(name, "model.gguf", n => add(GgufSeeds.Weights(new(), layers?.Invoke(n) ?? 2), n).Build(), path => Closed(ModelFolder.Open(path)));

    private static Func<object?> Checkpointed(TemporaryFolder folder, Func<Checkpoint, Checkpoint> change)
    {
        var path = folder.Write(TinyModel.CheckpointName, TinyModel.Files.Checkpoint);
        change(Checkpoint.Load(path)).Save(path);
        return () => Checkpoint.Load(path);
    }

    private static string AdapterConfig(string keys) =>
        $"{{\"peft_type\":\"LORA\",\"r\":8,\"lora_alpha\":16,\"lora_dropout\":0.0,\"bias\":\"none\",{keys}}}";

    private static string Tensor(int at) => $"{{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[{at},{at + 1}]}}";

    private static SafetensorsSource Factor(int layer, string part, int[] shape) => SafetensorsSource.From(new NamedTensor(
        string.Create(CultureInfo.InvariantCulture, $"base_model.model.model.layers.{layer}.mlp.up_proj.{part}.weight"), shape, new float[8]),
        TensorType.F32);

    /// <summary>Closes a file; what was read of it stays.</summary>
    private static object Closed(IDisposable read)
    {
        read.Dispose();
        return read;
    }
}
