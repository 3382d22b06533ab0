using System.Text.Json;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TestKit;

/// <summary>One folder of golden/transformers: a model that transformers wrote, adapters that PEFT wrote, and what these libraries compute.</summary>
public sealed class TransformersGolden : IDisposable
{
    private readonly string _path;
    private readonly JsonDocument _expected;

    /// <summary>Opens a folder.</summary>
    /// <param name="name">Its name, and "/v4" behind it for the configuration in the spelling of transformers 4.</param>
    public TransformersGolden(string name)
    {
        _path = Fixtures.Path_("golden", "transformers", name.Split('/')[0]);
        _expected = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(_path, "expected.json")));
        Folder = ModelFolder.Open(name.EndsWith(OldSpelling, StringComparison.Ordinal) ? WithOldConfiguration(_path) : _path);
    }

    private const string OldSpelling = "/v4";

    /// <summary>The folders, in both spellings, as data rows.</summary>
    public static IEnumerable<object[]> Names => Folders.SelectMany(name => new[] { [name], new object[] { name + OldSpelling } });

    /// <summary>The adapters, as data rows of folder and name.</summary>
    public static IEnumerable<object[]> Adapters => Folders.SelectMany(name =>
        Directory.GetDirectories(Fixtures.Path_("golden", "transformers", name), "adapter-*").Order(StringComparer.Ordinal)
            .Select(path => new object[] { name, Path.GetFileName(path)["adapter-".Length..] }));

    /// <summary>The model.</summary>
    public ModelFolder Folder { get; }

    /// <summary>expected.json.</summary>
    public JsonElement Root => _expected.RootElement;

    /// <summary>The three sequences.</summary>
    public IReadOnlyList<(TokenSequence Sequence, JsonElement Expected)> Sequences =>
        [.. Root.GetProperty("sequences").EnumerateArray().Select(sequence => (SequenceOf(sequence), sequence))];

    /// <summary>The expected results of an adapter.</summary>
    public JsonElement Adapter(string name) => Root.GetProperty("adapters").GetProperty(name);

    /// <summary>Reads an adapter.</summary>
    public LoraAdapter LoadAdapter(string name) => LoraAdapter.Load(AdapterPath(name));

    /// <summary>The folder of an adapter.</summary>
    public string AdapterPath(string name) => Path.Combine(_path, "adapter-" + name);

    /// <summary>Reads a sequence of expected.json.</summary>
    public static TokenSequence SequenceOf(JsonElement sequence) =>
        new(sequence.GetProperty("token_ids").Ints(), sequence.GetProperty("prompt_length").GetInt32());

    /// <inheritdoc/>
    public void Dispose()
    {
        _expected.Dispose();
        Folder.Dispose();
    }

    private static IEnumerable<string> Folders => Fixtures.Folders("golden", "transformers").Select(row => (string)row[0]);


    private static string WithOldConfiguration(string path)
    {
        var folder = TinyModels.NewFolder();
        foreach (var file in Directory.GetFiles(path, "*.json").Concat(Directory.GetFiles(path, "*.safetensors")))
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        File.Move(Path.Combine(folder, "config.v4.json"), Path.Combine(folder, "config.json"), overwrite: true);
        return folder;
    }
}
