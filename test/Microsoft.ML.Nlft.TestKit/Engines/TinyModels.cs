using System.Text.Json;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TestKit;

/// <summary>A random qwen3-shaped model of a few thousand weights in a temporary folder.</summary>
public static class TinyModels
{
    public const int Vocabulary = 31, Intermediate = 20, HeadSize = 4;

    public static ModelConfiguration Configuration { get; } = new()
    {
        ModelType = "qwen3",
        VocabularySize = Vocabulary,
        HiddenSize = 12,
        IntermediateSize = Intermediate,
        LayerCount = 2,
        HeadCount = 3,
        KeyValueHeadCount = 1,
        HeadSize = HeadSize,
        MaximumPositions = 256,
        QueryKeyNorm = true,
        TieWordEmbeddings = true,
        SlidingWindows = [0, 0],
    };

    /// <summary>The same with a mixture of experts in the first layer.</summary>
    public static ModelConfiguration Mixture { get; } = Configuration with
    {
        ModelType = "qwen3_moe",
        Experts = new() { Count = 5, PerToken = 2, IntermediateSize = 8, Layers = [true, false] },
    };

    /// <summary>The folder of this process's models, deleted when the process ends.</summary>
    private static readonly DirectoryInfo s_place = MakePlace();

    /// <summary>The path of a new folder.</summary>
    public static string NewFolder() => s_place.CreateSubdirectory(Guid.NewGuid().ToString("N")).FullName;

    /// <summary>Creates and opens a model.</summary>
    public static ModelFolder Create(int seed = 1, ModelConfiguration? configuration = null)
    {
        var path = NewFolder();
        ModelInitializer.Create(path, configuration ?? Configuration, seed);
        return ModelFolder.Open(path);
    }

    /// <summary>The same model with its weights changed (name, values, columns) and stored as <paramref name="type"/>.</summary>
    public static ModelFolder Rewrite(ModelFolder source, TensorType type, Func<string, float[], int, float[]> change)
    {
        var path = NewFolder();
        ModelFolderWriter.Write(path, source.Configuration, [.. ModelLayout.Weights(source.Configuration).Select(Changed)], type);
        return ModelFolder.Open(path);

        NamedTensor Changed(WeightShape weight) => new(weight.Name, [.. weight.Shape.Select(size => (int)size)],
            change(weight.Name, source.Tensor(weight.Name, weight.Shape).ToArray(), (int)weight.Shape[^1]));
    }

    /// <summary>Copies a model folder without a tokenizer and gives it one of as many tokens, whose texts do not matter.</summary>
    public static string WithTokenizer(string folder)
    {
        var copy = NewFolder();
        foreach (var file in Directory.GetFiles(folder, "*.json").Concat(Directory.GetFiles(folder, "*.safetensors")))
            File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        var rows = ModelConfiguration.Load(copy).VocabularySize;
        File.WriteAllText(Path.Combine(copy, "tokenizer.json"), JsonSerializer.Serialize(new
        {
            added_tokens = new[] { new { id = 0, content = "<end>", special = true } },
            pre_tokenizer = new { type = "ByteLevel", add_prefix_space = false, use_regex = true },
            decoder = new { type = "ByteLevel", add_prefix_space = false, use_regex = true },
            model = new
            {
                type = "BPE", vocab = Enumerable.Range(1, rows - 1).ToDictionary(id => $"{(char)(0x4E00 + id)}"), merges = Array.Empty<string>(),
            },
        }));
        File.WriteAllText(Path.Combine(copy, "tokenizer_config.json"), """{"eos_token": "<end>"}""");
        return copy;
    }

    private static DirectoryInfo MakePlace()
    {
        var place = Directory.CreateTempSubdirectory("nlft-tiny-");
        AppDomain.CurrentDomain.ProcessExit += (_, _) =>
        {
            try
            {
                place.Delete(recursive: true);
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                // Windows keeps files that are mapped.
            }
        };
        return place;
    }
}
