using System.Reflection;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.ML.Nlft.Cards;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft;

/// <summary>
/// Describes a saved model in nlft.json, next to the PEFT adapter. The base model is named and fingerprinted, never copied.
/// <see cref="LocalModel.Save"/> writes it and <see cref="LocalModel.Load"/> reads it.
/// </summary>
public sealed record LocalModelDescription
{
    /// <summary>Name of the file.</summary>
    public const string FileName = "nlft.json";

    private const int CurrentFormat = 1;

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        NumberHandling = System.Text.Json.Serialization.JsonNumberHandling.AllowNamedFloatingPointLiterals, // 1e999 is read as infinity
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Format version, raised when an older library could misread the file. Currently 1.</summary>
    public int Format { get; init; } = CurrentFormat;

    /// <summary>Version of the library that wrote the file.</summary>
    public string LibraryVersion { get; init; } =
        typeof(LocalModelDescription).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "";

    /// <summary>Full path of the base model's folder when the model was saved.</summary>
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
        var description = JsonFile.Load(new(path, expected) { FileRemedy = remedy }).Deserialize<LocalModelDescription>(Json);
        if (description.Format is < 1 or > CurrentFormat)
        {
            throw new NlftException($"{path}, format", $"{description.Format}", $"{CurrentFormat}",
                $"It was written by version {description.LibraryVersion}: use that version or a newer one.");
        }
        return description;
    }

    /// <summary>Writes the file atomically.</summary>
    /// <param name="folder">The folder; created when missing.</param>
    public void Save(string folder)
    {
        var bytes = Encoding.UTF8.GetBytes(JsonSerializer.Serialize(this, Json) + "\n");
        AtomicFile.Write(Path.Combine(folder, FileName), stream => stream.Write(bytes));
    }

    /// <summary>Writes a complete saved model: the adapter, its card and, last, this file, without which the folder is not a saved model.</summary>
    /// <param name="folder">The folder; created when missing.</param>
    /// <param name="baseModel">The base model; named, not copied.</param>
    /// <param name="adapter">The adapter; null: none.</param>
    /// <param name="settings">Columns, prompts and generation settings.</param>
    /// <param name="card">The card.</param>
    internal static void SaveModel(string folder, ModelFolder baseModel, LoraAdapter? adapter, LocalModelSettings settings, ModelCard card)
    {
        adapter?.Save(folder, baseModel.Path);
        if (adapter is not null) card.Save(folder, ModelCardKind.Adapter);
        new LocalModelDescription
        {
            BaseModelPath = baseModel.Path,
            BaseModelFingerprint = baseModel.Fingerprint,
            HasAdapter = adapter is not null,
            Settings = settings,
            Card = card,
        }.Save(folder);
    }

    /// <summary>
    /// Returns the base model's folder and checks it before its weights are read: an adapter for another model would fail later and less clearly.
    /// </summary>
    /// <param name="folder">The saved model's folder, for messages.</param>
    /// <param name="baseModelFolder">The base model's folder; null: the folder it had when the model was saved.</param>
    /// <exception cref="NlftException">The folder has no model, or its fingerprint does not match.</exception>
    public string FindBaseModel(string folder, string? baseModelFolder = null)
    {
        const string name =
            "Restore that model, or name its folder: BaseModelFolder in the options, modelFolder in ML.NET, --model on the command line.";
        var path = baseModelFolder ?? BaseModelPath;
        if (!Directory.Exists(path))
            throw new NlftException($"base model of {folder}", $"no folder {path}", "the base model where it lay when the model was saved", name);
        using var baseModel = ModelFolder.Open(path);
        if (baseModel.Fingerprint == BaseModelFingerprint) return path;
        throw new NlftException($"base model in {path}", $"fingerprint {baseModel.Fingerprint}",
            $"{BaseModelFingerprint}, the model that was saved", name);
    }
}
