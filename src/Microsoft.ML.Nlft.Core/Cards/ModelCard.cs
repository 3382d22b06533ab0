using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Cards;

/// <summary>The kind of model that a card describes.</summary>
public enum ModelCardKind
{
    /// <summary>A PEFT adapter, used with its base model.</summary>
    Adapter,

    /// <summary>A complete model with the adapter merged into its weights.</summary>
    Merged,
}

/// <summary>
/// Describes a fine-tuned model in a README.md for the Hugging Face hub: the base model, training data, options, metrics and use. Equal cards give
/// equal bytes.
/// </summary>
/// <example>
/// <code>
/// var run = new TrainingRun(model, rows, objective, options);
/// var card = run.Card(run.Run()) with
/// {
///     BaseModel = "HuggingFaceTB/SmolLM2-135M-Instruct",
///     Evaluation = ModelCardEvaluation.Of("200 questions of the test set", evaluation),
/// };
/// model.ExportAdapter().Save("adapter", card.BaseModel);
/// card.Save("adapter", ModelCardKind.Adapter);
/// </code>
/// </example>
public sealed record ModelCard
{
    /// <summary>The name of the file.</summary>
    public const string FileName = "README.md";

    /// <summary>
    /// The base model: its name on the hub (<c>organisation/name</c>), to which the hub links the card, or the name of its folder.
    /// </summary>
    public required string BaseModel { get; init; }

    /// <summary>The short name of the training objective, for example <c>NLFT</c>; null when unknown.</summary>
    public string? Method { get; init; }

    /// <summary>The tags for the hub's search, besides <c>lora</c>. Default <c>nlft</c>.</summary>
    public IReadOnlyList<string> Tags { get; init; } = ["nlft"];

    /// <summary>The date of training; null leaves it out.</summary>
    public DateOnly? Date { get; init; }

    /// <summary>The training rows; null when unknown.</summary>
    public ModelCardData? Data { get; init; }

    /// <summary>The options with their values, in display order.</summary>
    public IReadOnlyList<ModelCardOption> Options { get; init; } = [];

    /// <summary>The training run; null when unknown.</summary>
    public ModelCardTraining? Training { get; init; }

    /// <summary>The validation of the run; null when no row was held out.</summary>
    public ModelCardValidation? Validation { get; init; }

    /// <summary>The evaluation; null when there was none.</summary>
    public ModelCardEvaluation? Evaluation { get; init; }

    /// <summary>Formats the card as Markdown with YAML front matter and LF line ends. User texts are escaped for their context.</summary>
    public string ToMarkdown(ModelCardKind kind) => ModelCardMarkdown.Write(this, kind);

    /// <summary>Writes README.md. An existing file is replaced only if it is a card, which its last line says.</summary>
    /// <param name="folder">The model's folder; created when missing.</param>
    /// <param name="kind">The kind of model in the folder.</param>
    /// <returns>True when the file was written; false when another file was kept.</returns>
    public bool Save(string folder, ModelCardKind kind)
    {
        var files = FilesOf(folder, kind);
        AtomicFile.WriteAll(files);
        return files.Length > 0;
    }

    /// <summary>Returns README.md with what writes it; nothing where another file is kept.</summary>
    internal (string Path, Action<Stream> Write)[] FilesOf(string folder, ModelCardKind kind)
    {
        var path = Path.Combine(folder, FileName);
        if (File.Exists(path) && !IsCard(InputFile.ReadText(path, "a model card"))) return [];
        var bytes = System.Text.Encoding.UTF8.GetBytes(ToMarkdown(kind));
        return [(path, stream => stream.Write(bytes))];
    }

    private static bool IsCard(string text) => text.TrimEnd().EndsWith(ModelCardMarkdown.Mark, StringComparison.Ordinal);
}
