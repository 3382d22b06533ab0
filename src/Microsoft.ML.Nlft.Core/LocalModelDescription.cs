using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Microsoft.ML.Nlft.Cards;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft;

/// <summary>
/// Describes a saved model in nlft.json, next to the PEFT adapter. The base model is named and fingerprinted, never copied.
/// <see cref="LocalModel.Save"/> writes it and <see cref="LocalModel.Load"/> reads it.
/// </summary>
public sealed partial record LocalModelDescription
{
    /// <summary>Name of the file.</summary>
    public const string FileName = "nlft.json";

    private const int CurrentFormat = 1;

    private static readonly JsonSerializerOptions s_json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals, // 1e999 is read as infinity
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        TypeInfoResolver = DescriptionJson.Default
            .WithAddedModifier(JsonDefaults.Of(() => new LocalModelDescription
            {
                BaseModelPath = "", BaseModelFingerprint = "", HasAdapter = false, Settings = new(),
            }))
            .WithAddedModifier(JsonDefaults.Of(() => new ModelCard { BaseModel = "" }))
            .WithAddedModifier(JsonDefaults.Of(() => new LocalModelSettings()))
            .WithAddedModifier(JsonDefaults.Of(() => new GenerationOptions()))
            .WithAddedModifier(JsonDefaults.Of(() => new PromptOptions())),
        Converters = { new JsonValueConverter() },
    };

    private static readonly JsonTypeInfo<LocalModelDescription> s_type =
        (JsonTypeInfo<LocalModelDescription>)s_json.GetTypeInfo(typeof(LocalModelDescription));

    /// <summary>Format version, raised when an older library could misread the file. Currently 1.</summary>
    public int Format { get; init; } = CurrentFormat;

    /// <summary>Version of the library that wrote the file.</summary>
    public string LibraryVersion { get; init; } = Common.LibraryVersion.Short;

    /// <summary>The base model's name: <c>organisation/name</c> on the hub, or its folder's own name; null in files of older versions.</summary>
    public string? BaseModelName { get; init; }

    /// <summary>The base model's folder or GGUF file as a path from the saved folder, with slashes; null when there is no such path.</summary>
    public string? BaseModelRelativePath { get; init; }

    /// <summary>Full path of the base model's folder when the model was saved: the last place where it is looked for.</summary>
    public required string BaseModelPath { get; init; }

    /// <summary><see cref="ModelFolder.Fingerprint"/> of the base model.</summary>
    public required string BaseModelFingerprint { get; init; }

    /// <summary>Whether the folder has an adapter.</summary>
    public required bool HasAdapter { get; init; }

    /// <summary>Columns, prompts and generation settings.</summary>
    public required LocalModelSettings Settings { get; init; }

    /// <summary>The model card as data, so that a loaded model still knows how it was trained; null when unknown.</summary>
    public ModelCard? Card { get; init; }

    /// <summary>Whether a folder is a saved model.</summary>
    /// <param name="folder">The folder.</param>
    public static bool IsIn(string folder) => File.Exists(Path.Combine(folder, FileName));

    /// <summary>Reads the file of a saved model.</summary>
    /// <param name="folder">The saved model's folder.</param>
    /// <exception cref="NlftException">The file is missing or damaged, or comes from a newer library.</exception>
    public static LocalModelDescription Load(string folder)
    {
        const string expected = "the description of a saved model", remedy = "Name the folder that a model was saved to, or save it again.";
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path)) throw new NlftException(path, "no such file", expected, remedy);
        var description = JsonFile.Load(new(path, expected) { FileRemedy = remedy }).Deserialize(s_type);
        if (description.Format is < 1 or > CurrentFormat)
        {
            throw new NlftException($"{path}, format", $"{description.Format}", $"{CurrentFormat}",
                $"It was written by version {description.LibraryVersion}: use that version or a newer one.");
        }
        return description;
    }

    /// <summary>Writes the file atomically.</summary>
    /// <param name="folder">The folder; created when missing.</param>
    public void Save(string folder) => AtomicFile.WriteAll(FileOf(folder));

    private (string Path, Action<Stream> Write) FileOf(string folder)
    {
        var bytes = Encoding.UTF8.GetBytes(JsonSerializer.Serialize(this, s_type) + "\n");
        return (Path.Combine(folder, FileName), stream => stream.Write(bytes));
    }

    /// <summary>
    /// Writes a complete saved model at once: the adapter, its card and, last, this file, without which the folder is not a saved model.
    /// </summary>
    /// <param name="folder">The folder; created when missing.</param>
    /// <param name="baseModel">The base model; named, not copied.</param>
    /// <param name="adapter">The adapter; null: none.</param>
    /// <param name="settings">Columns, prompts and generation settings.</param>
    /// <param name="card">The card.</param>
    internal static void SaveModel(string folder, ModelFolder baseModel, LoraAdapter? adapter, LocalModelSettings settings, ModelCard card)
    {
        var relative = Path.GetRelativePath(Path.GetFullPath(folder), baseModel.Path).Replace(Path.DirectorySeparatorChar, '/');
        var description = new LocalModelDescription
        {
            BaseModelName = card.BaseModel,
            BaseModelRelativePath = Path.IsPathRooted(relative) ? null : relative,
            BaseModelPath = baseModel.Path,
            BaseModelFingerprint = baseModel.Fingerprint,
            HasAdapter = adapter is not null,
            Settings = settings,
            Card = card,
        };
        (string, Action<Stream>)[] adapterFiles = adapter is null ? []
            : [.. LoraAdapterFolder.Files(adapter, folder, card.BaseModel ?? adapter.BaseModel), .. card.FilesOf(folder, ModelCardKind.Adapter)];
        AtomicFile.WriteAll([.. adapterFiles, description.FileOf(folder)]);
    }

    /// <summary>
    /// Returns the base model's folder, checked by its fingerprint before its weights are read. It is looked for at the relative path, under its
    /// name beside the saved folder and where <paramref name="locator"/> searches, and at the full path; the first match is taken.
    /// </summary>
    /// <param name="folder">The saved model's folder, which the relative path starts from.</param>
    /// <param name="baseModel">The base model's folder or name, the only place to look then; null: the places above.</param>
    /// <param name="locator">Finds models by name; null: in the folders of NLFT_MODELS and in the Hugging Face cache.</param>
    /// <exception cref="NlftException">No place has a model of that fingerprint: the message lists the places with what was found there.</exception>
    public string FindBaseModel(string folder, string? baseModel = null, ModelLocator? locator = null)
    {
        const string name =
            "Restore that model, or name its folder: BaseModelFolder in the options, modelFolder in ML.NET, --model on the command line.";
        locator ??= new ModelLocator();
        if (baseModel is not null)
        {
            var path = locator.Find(baseModel);
            return FingerprintIn(path) is var fingerprint && fingerprint == BaseModelFingerprint ? path
                : throw new NlftException($"base model in {path}", $"fingerprint {fingerprint}",
                    $"{BaseModelFingerprint}, the model that was saved", name);
        }
        var tried = new List<string>();
        foreach (var place in BaseModelPlaces(Path.GetFullPath(folder), locator).Distinct())
        {
            if (!ModelLocator.IsModel(place)) tried.Add($"no model in {place}");
            else if (Matches(place)) return place;
            else tried.Add($"another model in {place}");
        }
        throw new NlftException($"base model of {folder}", string.Join(", ", tried),
            $"\"{NameOfBase}\", the model that was saved, in one of these places",
            name + $" {ModelLocator.Variable} names further folders to search.");
    }

    /// <summary>The base model's name; files of older versions have it in the card or the path only.</summary>
    internal string NameOfBase => BaseModelName ?? Card?.BaseModel ?? (BaseModelPath.Length > 0 ? ModelLocator.NameOf(BaseModelPath) : "");

    private IEnumerable<string> BaseModelPlaces(string folder, ModelLocator locator)
    {
        if (BaseModelRelativePath is { } relative) yield return Path.GetFullPath(Path.Combine(folder, relative));
        if (Path.GetDirectoryName(folder) is { } parent) yield return Path.Combine(parent, NameOfBase.Split('/', '\\')[^1]);
        foreach (var place in locator.Places(NameOfBase)) yield return place;
        if (BaseModelPath.Length > 0) yield return BaseModelPath;
    }

    private bool Matches(string folder)
    {
        try
        {
            return FingerprintIn(folder) == BaseModelFingerprint;
        }
        catch (NlftException) // a folder that cannot be read is not the model that was saved
        {
            return false;
        }
    }

    private static string FingerprintIn(string folder)
    {
        using var model = ModelFolder.Open(folder);
        return model.Fingerprint;
    }

    [JsonSourceGenerationOptions(GenerationMode = JsonSourceGenerationMode.Metadata)]
    [JsonSerializable(typeof(LocalModelDescription))]
    private sealed partial class DescriptionJson : JsonSerializerContext;
}
