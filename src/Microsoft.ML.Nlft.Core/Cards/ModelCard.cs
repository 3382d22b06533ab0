using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Cards;

/// <summary>What a model card describes.</summary>
public enum ModelCardKind
{
    /// <summary>A PEFT adapter, to be used with its base model.</summary>
    Adapter,

    /// <summary>A whole model with the adapter merged into its weights.</summary>
    Merged,
}

/// <summary>
/// The README.md of a fine-tuned model as the Hugging Face hub shows it: what it is, what it was trained on and how, what came out, and how to use it.
/// Plain data: equal cards give equal bytes.
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
    /// <summary>Name of the file.</summary>
    public const string FileName = "README.md";

    /// <summary>
    /// The base model: its name on the hub (<c>organisation/name</c>), which links the card there, or the name of its folder.
    /// </summary>
    public required string BaseModel { get; init; }

    /// <summary>Short name of the training objective, for example <c>NLFT</c>; null when it is not known.</summary>
    public string? Method { get; init; }

    /// <summary>Tags for the hub's search, besides <c>lora</c>. Default <c>nlft</c>.</summary>
    public IReadOnlyList<string> Tags { get; init; } = ["nlft"];

    /// <summary>The day of training; null leaves it out.</summary>
    public DateOnly? Date { get; init; }

    /// <summary>The training rows; null when they are not known.</summary>
    public ModelCardData? Data { get; init; }

    /// <summary>Every option with its value, in the order in which they are shown.</summary>
    public IReadOnlyList<ModelCardOption> Options { get; init; } = [];

    /// <summary>What the run did; null when it is not known.</summary>
    public ModelCardTraining? Training { get; init; }

    /// <summary>An evaluation; null when there was none.</summary>
    public ModelCardEvaluation? Evaluation { get; init; }

    /// <summary>The card as Markdown with YAML front matter, lines ended by \n. User texts are escaped for the place they stand in.</summary>
    public string ToMarkdown(ModelCardKind kind) => ModelCardMarkdown.Write(this, kind);

    /// <summary>Writes README.md. One that lies there already is replaced only if it is a card: it ends with the line that says so.</summary>
    /// <param name="folder">The folder; created when missing.</param>
    /// <param name="kind">What lies in it.</param>
    /// <returns>Whether the file was written.</returns>
    public bool Save(string folder, ModelCardKind kind)
    {
        var path = Path.Combine(folder, FileName);
        if (File.Exists(path) && !File.ReadAllText(path).TrimEnd().EndsWith(ModelCardMarkdown.Mark, StringComparison.Ordinal)) return false;
        var bytes = System.Text.Encoding.UTF8.GetBytes(ToMarkdown(kind));
        AtomicFile.Write(path, stream => stream.Write(bytes));
        return true;
    }
}
