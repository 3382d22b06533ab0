using System.Text.Json;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TestKit;

/// <summary>A model in a temporary folder: two random layers and a tokenizer whose ids are bytes (256: end of sequence).</summary>
public sealed class ModelOnDisk : IDisposable
{
    public const int EndOfSequence = 256;

    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("nlft-tests");

    public ModelOnDisk(double normEpsilon = 1e-5)
    {
        Folder = Path.Combine(_root.FullName, "model");
        ModelInitializer.Create(Folder, new ModelConfiguration
        {
            ModelType = "llama",
            VocabularySize = 257,
            HiddenSize = 16,
            IntermediateSize = 32,
            LayerCount = 2,
            HeadCount = 2,
            KeyValueHeadCount = 1,
            HeadSize = 8,
            MaximumPositions = 1024,
            NormEpsilon = normEpsilon,
            TieWordEmbeddings = true,
            SlidingWindows = [0, 0],
            EndOfSequenceIds = [EndOfSequence],
        }, seed: 7);
        WriteJson("tokenizer.json", new
        {
            version = "1.0",
            added_tokens = new[]
            {
                new
                {
                    id = EndOfSequence,
                    content = "<eos>",
                    single_word = false,
                    lstrip = false,
                    rstrip = false,
                    normalized = false,
                    special = true,
                },
            },
            normalizer = (object?)null,
            pre_tokenizer = new { type = "ByteLevel", add_prefix_space = false, trim_offsets = true, use_regex = true },
            post_processor = (object?)null,
            decoder = new { type = "ByteLevel", add_prefix_space = false, trim_offsets = true, use_regex = true },
            model = new { type = "BPE", vocab = ByteVocabulary(), merges = Array.Empty<string>() },
        });
        WriteJson("tokenizer_config.json", new { eos_token = "<eos>" });
    }

    /// <summary>The model folder.</summary>
    public string Folder { get; }

    /// <summary>Returns a path beside the model folder.</summary>
    public string Beside(string name) => Path.Combine(_root.FullName, name);

    /// <summary>Moves the model elsewhere.</summary>
    public string Move(string name)
    {
        Directory.Move(Folder, Beside(name));
        return Beside(name);
    }

    public void Dispose() => _root.Delete(recursive: true);

    private void WriteJson(string file, object content) => File.WriteAllText(Path.Combine(Folder, file), JsonSerializer.Serialize(content));

    /// <summary>The byte alphabet of GPT-2: printable characters stand for themselves, the others for U+0100 and up; ids are byte values.</summary>
    private static Dictionary<string, int> ByteVocabulary()
    {
        var next = 256;
        string Character(int b) => b is >= 33 and <= 126 or >= 161 and <= 172 or >= 174 ? $"{(char)b}" : $"{(char)next++}";
        return Enumerable.Range(0, 256).ToDictionary(Character);
    }
}
