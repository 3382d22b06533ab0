using System.Reflection;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.ML.Nlft.Cards;

namespace Microsoft.ML.Nlft;

/// <summary>nlft.json: what a saved model is besides its PEFT adapter. The base model is named and fingerprinted, never copied.</summary>
internal sealed record ModelDescription
{
    public const string FileName = "nlft.json";

    private const int CurrentFormat = 1;

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        RespectNullableAnnotations = true,
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Grows when an older library could misread the file.</summary>
    public int Format { get; init; } = CurrentFormat;

    /// <summary>The library that wrote the file.</summary>
    public string LibraryVersion { get; init; } =
        typeof(ModelDescription).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "";

    /// <summary>Full path of the base model's folder.</summary>
    public required string BaseModelPath { get; init; }

    /// <summary>The base model's fingerprint.</summary>
    public required string BaseModelFingerprint { get; init; }

    /// <summary>Whether an adapter lies beside this file.</summary>
    public required bool HasAdapter { get; init; }

    public required GenerationSettings Settings { get; init; }

    /// <summary>The model card as data, so that a loaded model still knows how it was trained; null in older files.</summary>
    public ModelCard? Card { get; init; }

    public static ModelDescription Of(TextGenerationTransformer model, ModelCard card) => new()
    {
        BaseModelPath = model.BaseModel.Path,
        BaseModelFingerprint = model.BaseModel.Fingerprint,
        HasAdapter = model.Adapter is not null,
        Settings = model.Settings,
        Card = card,
    };

    /// <summary>Writes the file beside its final place and renames it.</summary>
    public void Save(string folder)
    {
        var path = Path.Combine(folder, FileName);
        var temporary = path + ".tmp";
        File.WriteAllText(temporary, JsonSerializer.Serialize(this, Json) + "\n");
        File.Move(temporary, path, overwrite: true);
    }

    /// <exception cref="NlftException">The file is missing, is not what <see cref="Save"/> writes, or comes from a newer library.</exception>
    public static ModelDescription Load(string folder)
    {
        const string expected = "a file written by mlContext.Nlft().Save", again = "Name the folder that the model was saved to, or save it again.";
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path)) throw new NlftException(path, "no such file", expected, again);
        ModelDescription? description;
        try
        {
            description = JsonSerializer.Deserialize<ModelDescription>(File.ReadAllBytes(path), Json);
        }
        catch (JsonException e)
        {
            throw new NlftException(path, e.Message, expected, again, e);
        }
        if (description is null) throw new NlftException(path, "null", expected, again);
        if (description.Format is < 1 or > CurrentFormat)
            throw new NlftException($"{path}, format", $"{description.Format}", $"{CurrentFormat}",
                $"It was written by version {description.LibraryVersion}: use that version or a newer one.");
        return description;
    }

    /// <summary>Fails when a base model is not the one that the adapter was trained on.</summary>
    public void CheckBaseModel(Models.ModelFolder baseModel)
    {
        if (baseModel.Fingerprint == BaseModelFingerprint) return;
        throw new NlftException($"base model in {baseModel.Path}", $"fingerprint {baseModel.Fingerprint}",
            $"{BaseModelFingerprint}, the model that the adapter was trained on", "Restore that model, or name its folder as modelFolder.");
    }
}
