using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Saliency;

/// <summary>
/// Shows where language feedback lands: the response tokens of some rows with the quantities that decide their role in training, at one or more
/// moments of a run.
/// </summary>
/// <remarks>
/// <see cref="Rows"/> has the values. <see cref="Save"/> writes a self-contained HTML page that colours the tokens, tries other settings and plays
/// the epochs.
/// </remarks>
public sealed record SaliencyMap
{
    /// <summary>The display name of the model.</summary>
    public required string Model { get; init; }

    /// <summary>The options that roles, weights and coefficients were computed with.</summary>
    public required NaturalLanguageObjectiveOptions Options { get; init; }

    /// <summary>The moments in completed epochs; 0 is before training. A map of a model that is not training has one moment.</summary>
    public required IReadOnlyList<int> Epochs { get; init; }

    /// <summary>The rows, in order.</summary>
    public required IReadOnlyList<SaliencyRow> Rows { get; init; }

    /// <summary>
    /// Whether the rows are seen through supervised fine-tuning: in the base context alone, where a token carries loss (coefficient above 0) or does
    /// not. Default false.
    /// </summary>
    public bool IsSupervised { get; init; }

    /// <summary>The day on which the map was made, in UTC; null where it is not known.</summary>
    public DateOnly? Date { get; init; }

    /// <summary>The texts of the rows' likeliest other tokens, by id; empty without any.</summary>
    internal IReadOnlyDictionary<int, string> LikelyTexts { get; init; } = new Dictionary<int, string>();

    /// <summary>Writes the page atomically.</summary>
    /// <param name="path">The HTML file; replaced when it exists.</param>
    public void Save(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        AtomicFile.Write(path, Write);
    }

    /// <summary>Writes the page.</summary>
    /// <param name="stream">The stream for the UTF-8 text; stays open.</param>
    public void Write(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        SaliencyPage.Write(this, stream);
    }

    /// <summary>
    /// Joins rows with their recorded analyses, which may come from scores of your own
    /// (<see cref="ExampleSaliency.Of(ITokenObjective, ExampleScores, int[], string)"/>).
    /// </summary>
    /// <param name="model">The display name of the model.</param>
    /// <param name="options">The options in use.</param>
    /// <param name="rows">The rows, in the order in which they were analyzed.</param>
    /// <param name="epochs">The analyses by moment, one or more.</param>
    /// <param name="decode">Returns the text of a token id.</param>
    /// <param name="timeProvider">The clock of <see cref="Date"/>; null: the system's.</param>
    /// <exception cref="NlftException">There is no analysis, or one is of another number of rows.</exception>
    public static SaliencyMap Create(
        string model, NaturalLanguageObjectiveOptions options, IReadOnlyList<TrainingExample> rows, IReadOnlyList<RecordedEpoch> epochs,
        Func<int, string> decode, TimeProvider? timeProvider = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(epochs);
        ArgumentNullException.ThrowIfNull(decode);
        if (epochs.Count == 0)
            throw new NlftException("saliency map", "no recorded epoch", "one epoch or more", "Name rows in RecordedRows before training.");
        if (epochs.FirstOrDefault(epoch => epoch.Rows.Count != rows.Count) is { } other)
        {
            throw new NlftException("saliency map", $"{rows.Count} rows", $"the {other.Rows.Count} that were recorded",
                "Give the rows that RecordedRows names, in its order.");
        }
        return new SaliencyMap
        {
            Model = model,
            Options = options,
            Date = DateOnly.FromDateTime((timeProvider ?? TimeProvider.System).GetUtcNow().UtcDateTime),
            LikelyTexts = epochs.SelectMany(epoch => epoch.Rows).SelectMany(row => row.Likely?.Values ?? []).SelectMany(likely => likely.Ids)
                .Distinct().ToDictionary(id => id, decode),
            Epochs = [.. epochs.Select(epoch => epoch.Epoch)],
            Rows = [.. rows.Select((row, i) => new SaliencyRow
            {
                Example = row,
                Texts = [.. epochs[0].Rows[i].Tokens.Select(decode)],
                Epochs = [.. epochs.Select(epoch => epoch.Rows[i])],
            })],
        };
    }
}

/// <summary>A row of a <see cref="SaliencyMap"/> with n response tokens.</summary>
public sealed record SaliencyRow
{
    /// <summary>The training example.</summary>
    public required TrainingExample Example { get; init; }

    /// <summary>The text of each token, n entries. A token that holds part of a character is U+FFFD.</summary>
    public required IReadOnlyList<string> Texts { get; init; }

    /// <summary>The analysis of the objective, one entry per moment of <see cref="SaliencyMap.Epochs"/>.</summary>
    public required IReadOnlyList<ExampleSaliency> Epochs { get; init; }

    /// <summary>The tokens at the last moment: text, probabilities in the three contexts, ratios, role, weight and coefficient.</summary>
    public IReadOnlyList<TokenReport> Tokens => Report(Epochs.Count - 1).Tokens;

    /// <summary>Returns the tokens, loss and salient share of the row at a moment.</summary>
    /// <param name="moment">The index into <see cref="SaliencyMap.Epochs"/>.</param>
    public SaliencyReport Report(int moment) => Epochs[moment].Report(Texts);
}
