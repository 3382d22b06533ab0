using System.Text.Json;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>A random model of one layer, small enough to be loaded for every input, and a run that trains an adapter of it.</summary>
internal static class TinyModel
{
    /// <summary>The name of the checkpoint that the run leaves.</summary>
    public const string CheckpointName = "step-00000001.safetensors";

    private const int ByteVocabulary = 260;

    /// <summary>The configuration of the model of eight tokens.</summary>
    public static ModelConfiguration Configuration { get; } = new()
    {
        ModelType = "llama", VocabularySize = 8, HiddenSize = 4, IntermediateSize = 4, LayerCount = 1, HeadCount = 2, KeyValueHeadCount = 1,
        HeadSize = 2, MaximumPositions = 16, TieWordEmbeddings = true, SlidingWindows = [0], EndOfSequenceIds = [0],
    };

    /// <summary>The files of the model, of an adapter of it and of its run: config.json, weights, adapter and checkpoint.</summary>
    public static TinyFiles Files { get; } = Make();

    /// <summary>Writes the model's files into a folder unless they are there.</summary>
    public static void Put(string folder)
    {
        var configuration = Path.Combine(folder, "config.json");
        if (File.Exists(configuration)) return;
        File.WriteAllBytes(Path.Combine(folder, "model.safetensors"), Files.Weights);
        File.WriteAllBytes(configuration, Files.Configuration);
    }

    /// <summary>Writes a model whose tokens are the 256 bytes and four special ones, with a chat template, unless it is there.</summary>
    public static void PutByteModel(string folder)
    {
        if (File.Exists(Path.Combine(folder, "tokenizer_config.json"))) return;
        var configuration = Configuration with { VocabularySize = ByteVocabulary, MaximumPositions = 96, EndOfSequenceIds = [257] };
        ModelInitializer.Create(folder, configuration, seed: 3);
        // GPT-2's alphabet: printable bytes stand for themselves, the others for the characters from U+0100 on.
        var next = 0x100;
        Write("tokenizer.json", new
        {
            added_tokens = new[] { "<s>", "</s>", "<|im_start|>", "<|im_end|>" }
                .Select((content, i) => new { id = 256 + i, content, special = true }),
            pre_tokenizer = new { type = "ByteLevel", add_prefix_space = false, trim_offsets = true, use_regex = true },
            decoder = new { type = "ByteLevel", add_prefix_space = true, trim_offsets = true, use_regex = true },
            model = new
            {
                type = "BPE", merges = Array.Empty<string>(),
                vocab = Enumerable.Range(0, 256)
                    .ToDictionary(b => ((char)(b is >= '!' and <= '~' or >= 0xA1 and <= 0xAC or >= 0xAE ? b : next++)).ToString()),
            },
        });
        Write("tokenizer_config.json", new
        {
            bos_token = "<s>", eos_token = "</s>",
            chat_template = "{% for m in messages %}<|im_start|>{{ m.role }} {{ m.content }}<|im_end|>{% endfor %}<|im_start|>",
        });

        void Write(string name, object content) => File.WriteAllText(Path.Combine(folder, name), JsonSerializer.Serialize(content));
    }

    /// <summary>Resumes the run from the checkpoint of a folder with the model and trains to its end.</summary>
    public static FineTuneResult Resume(string folder)
    {
        Put(folder);
        return Train(folder, new() { ResumeFrom = Path.Combine(folder, CheckpointName) });
    }

    /// <summary>Trains on two rows.</summary>
    private static FineTuneResult Train(string folder, FineTuneOptions options)
    {
        using var model = ModelFolder.Open(folder);
        using var network = new ManagedEngine(1).Load(new()
        {
            Folder = model, Trainable = TrainableWeights.Lora, Lora = new() { Rank = 1, TargetModules = ["up_proj"] },
        });
        EncodedExample[] rows = [new(Polarity.Correct, [1, 2], [3, 4], [], [5], "a"), new(Polarity.Incorrect, [2, 1], [3, 4], [6], [5], "b")];
        return new TrainingRun(network, rows, new NaturalLanguageObjective(), options with { Epochs = 1, BatchSize = 1 })
        {
            BaseModel = "base", Engine = "managed",
        }.Run();
    }

    private static TinyFiles Make()
    {
        var place = Directory.CreateTempSubdirectory("nlft-seed-");
        try
        {
            ModelInitializer.Create(place.FullName, Configuration, seed: 1, TensorType.BF16);
            Train(place.FullName, new() { CheckpointFolder = place.FullName, CheckpointSteps = 1, CheckpointsKept = 2 });
            LoraAdapter.Create(new() { Rank = 1, TargetModules = ["up_proj", "q_proj"] }, Configuration, seed: 1).Save(place.FullName, "base");
            byte[] Bytes(string name) => File.ReadAllBytes(Path.Combine(place.FullName, name));
            return new(Bytes("config.json"), Bytes("model.safetensors"), Bytes("adapter_config.json"), Bytes("adapter_model.safetensors"),
                Bytes(CheckpointName));
        }
        finally
        {
            place.Delete(recursive: true);
        }
    }
}

/// <summary>The contents of the files of a <see cref="TinyModel"/>.</summary>
internal sealed record TinyFiles(byte[] Configuration, byte[] Weights, byte[] AdapterConfiguration, byte[] Adapter, byte[] Checkpoint);
