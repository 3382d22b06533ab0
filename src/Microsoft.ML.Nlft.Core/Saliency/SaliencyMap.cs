using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Saliency;

/// <summary>
/// Where language feedback lands: every response token of some rows with what decides its part in training, at one or more moments of a run.
/// </summary>
/// <remarks>
/// As records: <see cref="Rows"/>. As a page: <see cref="Save"/> writes one HTML file without any reference to elsewhere, which colours the tokens,
/// tries other settings and plays the epochs.
/// </remarks>
public sealed record SaliencyMap
{
    /// <summary>The model, as a name for people.</summary>
    public required string Model { get; init; }

    /// <summary>The settings that roles, weights and coefficients were computed with.</summary>
    public required NaturalLanguageObjectiveOptions Options { get; init; }

    /// <summary>The moments shown, as epochs done; 0 is before training. A map of a model at rest has one moment.</summary>
    public required IReadOnlyList<int> Epochs { get; init; }

    /// <summary>The rows in order.</summary>
    public required IReadOnlyList<SaliencyRow> Rows { get; init; }

    /// <summary>Writes the page: complete or not at all.</summary>
    /// <param name="path">The HTML file; replaced when it is there.</param>
    public void Save(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        AtomicFile.Write(path, Write);
    }

    /// <summary>Writes the page.</summary>
    /// <param name="stream">Takes UTF-8; stays open.</param>
    public void Write(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        SaliencyPage.Write(this, stream);
    }

    /// <summary>Joins rows with what was seen of them.</summary>
    /// <param name="model">A name for people.</param>
    /// <param name="options">The settings in use.</param>
    /// <param name="rows">The rows, in the order in which they were analyzed.</param>
    /// <param name="epochs">What was seen, by moment; one or more.</param>
    /// <param name="decode">The text of a token id.</param>
    internal static SaliencyMap Create(
        string model, NaturalLanguageObjectiveOptions options, IReadOnlyList<TrainingExample> rows, IReadOnlyList<RecordedEpoch> epochs,
        Func<int, string> decode)
    {
        if (epochs.Count == 0)
            throw new NlftException("saliency map", "nothing that was recorded", "one epoch or more", "Name rows in RecordedRows before training.");
        if (epochs.FirstOrDefault(epoch => epoch.Rows.Count != rows.Count) is { } other)
            throw new NlftException("saliency map", $"{rows.Count} rows", $"the {other.Rows.Count} that were recorded",
                "Give the rows that RecordedRows names, in its order.");
        return new SaliencyMap
        {
            Model = model,
            Options = options,
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

/// <summary>One row of a <see cref="SaliencyMap"/>: n response tokens.</summary>
public sealed record SaliencyRow
{
    /// <summary>The row itself.</summary>
    public required TrainingExample Example { get; init; }

    /// <summary>The text of each token, n entries. A token that is a part of a character shows as U+FFFD.</summary>
    public required IReadOnlyList<string> Texts { get; init; }

    /// <summary>What the objective saw, one entry per moment of <see cref="SaliencyMap.Epochs"/>.</summary>
    public required IReadOnlyList<ExampleSaliency> Epochs { get; init; }

    /// <summary>The tokens at the last moment: text, probabilities in the three contexts, ratios, role, weight, coefficient.</summary>
    public IReadOnlyList<TokenReport> Tokens => Report(Epochs.Count - 1).Tokens;

    /// <summary>The tokens at one moment, and the loss and salient share of the row then.</summary>
    /// <param name="moment">Index into <see cref="SaliencyMap.Epochs"/>.</param>
    public SaliencyReport Report(int moment) => Epochs[moment].Report(Texts);
}
