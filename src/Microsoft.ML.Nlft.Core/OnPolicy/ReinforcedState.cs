using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.OnPolicy;

/// <summary>The state of a run between two batches: the model, its optimizer, its reference, the value head and the best weights so far.</summary>
internal sealed partial class ReinforcedState
{
    private const string FileName = "reinforced.safetensors", Key = "nlft.reinforced", Hash = "sha256", Head = "value_head",
        UseAnother = "Name another folder to begin anew.";

    /// <summary>The reports of the batches that are done.</summary>
    public List<ReinforcedProgress> Reports { get; init; } = [];

    /// <summary>The weights after the warm-up.</summary>
    public required IReadOnlyList<NamedTensor> Reference { get; init; }

    /// <summary>The value head.</summary>
    public required ValueHead Values { get; init; }

    /// <summary>The weights of the best evaluation; empty without held-out questions.</summary>
    public IReadOnlyList<NamedTensor> Best { get; set; } = [];

    /// <summary>Held-out questions that the best weights answer right; null: no evaluation.</summary>
    public int? BestRight { get; set; }

    /// <summary>Writes the state whole.</summary>
    public void Save(string folder, IReadOnlyDictionary<string, string> identity, ICausalLanguageModel model)
    {
        var document = JsonSerializer.Serialize(new Document(identity, BestRight, Reports), ReinforcedJson.Default.Document);
        List<TensorData> tensors =
        [
            .. StateTensors.Named("weights/", model.Export(ModelState.Weights)),
            .. StateTensors.Named("optimizer/", model.Export(ModelState.Optimizer)),
            .. StateTensors.Named("reference/", Reference), .. StateTensors.Named("best/", Best), Values.Export(Head),
        ];
        SafetensorsWriter.Write(Path.Combine(folder, FileName), tensors.Select(SafetensorsSource.From),
            new Dictionary<string, string> { [Key] = document, [Hash] = Checkpoint.Hash(document, tensors) });
    }

    /// <summary>Reads the state of an interrupted run into the model; null: there is none.</summary>
    /// <exception cref="NlftException">It is damaged, or that of another run.</exception>
    public static ReinforcedState? Load(string folder, IReadOnlyDictionary<string, string> identity, ICausalLanguageModel model)
    {
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path)) return null;
        using var file = SafetensorsFile.Open(path);
        var tensors = file.Entries.Select(entry => file.Tensor(entry.Name)).ToList();
        if (!file.Metadata.TryGetValue(Key, out var text) || !file.Metadata.TryGetValue(Hash, out var hash) || Checkpoint.Hash(text, tensors) != hash)
            throw new NlftException(path, "other contents", "those that such a run wrote", $"The file is damaged. {UseAnother}");
        var document = Read(path, () =>
            JsonSerializer.Deserialize(text, ReinforcedJson.Default.Document) is { Run: not null, Reports: not null } found ? found
                : throw new JsonException("null"));
        FolderIdentity.Require(folder, document.Run, identity);
        IReadOnlyList<NamedTensor> Under(string prefix) => Read(path, () => StateTensors.Read(prefix, tensors));
        model.Import(ModelState.Weights, Under("weights/"));
        model.Import(ModelState.Optimizer, Under("optimizer/"));
        var head = new ValueHead(model.Configuration.HiddenSize);
        head.Import(tensors.Find(tensor => tensor.Name == Head) ?? throw new NlftException(path, "no value head", "one", UseAnother));
        return new ReinforcedState
        {
            Reports = [.. document.Reports], Reference = Under("reference/"), Best = Under("best/"),
            BestRight = document.BestRight, Values = head,
        };
    }

    private static T Read<T>(string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (JsonException e)
        {
            throw new NlftException(path, $"something else ({e.Message})", "what such a run wrote", UseAnother, e);
        }
    }

    private sealed record Document(IReadOnlyDictionary<string, string> Run, int? BestRight, IReadOnlyList<ReinforcedProgress> Reports);

    [JsonSourceGenerationOptions(GenerationMode = JsonSourceGenerationMode.Metadata)]
    [JsonSerializable(typeof(Document))]
    private sealed partial class ReinforcedJson : JsonSerializerContext;
}
