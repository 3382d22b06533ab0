using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Training.Observers;

namespace Microsoft.ML.Nlft.Training;

/// <summary>The rows of a run: those that train, and those held out, which are only evaluated.</summary>
internal sealed record RunRows
{
    /// <summary>What messages call rows that the caller gave to hold out.</summary>
    public const string HeldOut = "the validation rows";

    private const string Share = $"{nameof(FineTuneOptions.Validation)}.{nameof(ValidationOptions.Share)}";

    /// <summary>
    /// The rows that the caller gave to train on, null for those left out: <see cref="FineTuneOptions.RecordedRows"/> are indices of these.
    /// </summary>
    public required IReadOnlyList<EncodedExample?> Given { get; init; }

    /// <summary>The rows that train.</summary>
    public required IReadOnlyList<EncodedExample> Training { get; init; }

    /// <summary>The rows held out; empty: none.</summary>
    public required IReadOnlyList<EncodedExample> Validation { get; init; }

    /// <summary>Answers held-out questions; null: none are answered.</summary>
    public ValidationAnswers? Answers { get; init; }

    /// <summary>What is doubtful in the rows; null for rows that were already encoded.</summary>
    public DataReport? Report { get; init; }

    /// <summary>What is doubtful in the rows that the caller gave to hold out; null: none are given, or they were already encoded.</summary>
    public DataReport? HeldOutReport { get; init; }

    /// <summary>Encodes the rows of a model's run and holds out those that only measure.</summary>
    /// <param name="model">The model.</param>
    /// <param name="rows">The rows to train on.</param>
    /// <param name="validation">The rows to hold out; null: those of the validation share.</param>
    /// <param name="options">The training options.</param>
    /// <exception cref="NlftException">
    /// Rows without a usable response, too few questions, a question on both sides, or a gold answer that cannot be compared.
    /// </exception>
    public static RunRows Of(
        ITrainableModel model, IReadOnlyList<TrainingExample> rows, IReadOnlyList<TrainingExample>? validation, FineTuneOptions options)
    {
        ArgumentNullException.ThrowIfNull(rows);
        RecordingObserver.RequireRows(options.RecordedRows, rows.Count);
        var report = Encode(model, rows, "the rows", options, out var given);
        EncodedExample?[]? held = null;
        var heldOutReport = validation is null ? null : Encode(model, validation, HeldOut, options, out held);
        var split = Split(rows, given, validation, held, Key, options, out var heldOut) with
        {
            Report = report,
            HeldOutReport = heldOutReport,
        };
        if (options.TrainOnAnswers) split = split.WithAnswers(model, rows, heldOut.Select(Key).ToHashSet(StringComparer.Ordinal), options);
        if (options.Validation.GeneratedRows > 0 && heldOut.FirstOrDefault(row => row.Chat is not null) is { } chat)
        {
            throw new NlftException(chat.Source, "a chat row", "a question with a gold answer, with which generated answers are compared",
                $"Set {nameof(options.Validation)}.{nameof(ValidationOptions.GeneratedRows)} to 0, or hold out questions and answers.");
        }
        return options.Validation.GeneratedRows == 0 || heldOut.Count == 0 ? split
            : split with { Answers = new ValidationAnswers(model, [.. heldOut.DistinctBy(Key)], options) };
    }

    /// <summary>Holds out rows that are already encoded; the prompt of the base context stands for the question.</summary>
    public static RunRows Of(IReadOnlyList<EncodedExample> rows, IReadOnlyList<EncodedExample>? validation, FineTuneOptions options)
    {
        ArgumentNullException.ThrowIfNull(rows);
        OptionCheck.Require(options.Validation.GeneratedRows == 0, $"{nameof(options.Validation)}.{nameof(ValidationOptions.GeneratedRows)}",
            options.Validation.GeneratedRows, "0 for a network without a tokenizer", "Train a LocalModel to see answers, or set it to 0.");
        RecordingObserver.RequireRows(options.RecordedRows, rows.Count);
        return Split(rows, rows, validation, validation, row => string.Join(' ', row.Prompt(PromptContexts.Base).ToArray()), options, out _);
    }

    /// <summary>Adds the gold answers to the rows that train, each as the right response to its question.</summary>
    private RunRows WithAnswers(ITrainableModel model, IReadOnlyList<TrainingExample> rows, HashSet<string> heldOut, FineTuneOptions options)
    {
        var answers = rows.Where(row => !heldOut.Contains(Key(row))).DistinctBy(row => (row.Question, row.Instruction)).Select(row => row.Chat is null
            ? row with { Response = row.Answer, Judgment = null, Source = $"the answer of {row.Source}" }
            : throw new NlftException(row.Source, "a chat row", $"a question with a gold answer, because {nameof(options.TrainOnAnswers)} is set",
                $"Leave {nameof(options.TrainOnAnswers)} out.")).ToList();
        var report = Encode(model, answers, "the answers", options, out var encoded);
        return this with
        {
            Training = [.. Training, .. encoded.OfType<EncodedExample>()],
            Report = Report! with { TooLong = [.. Report.TooLong, .. report.TooLong], Cut = [.. Report.Cut, .. report.Cut] },
        };
    }

    /// <summary>Encodes rows; null for those that are left out.</summary>
    /// <exception cref="NlftException">There are unusable rows, which the options do not leave out.</exception>
    private static DataReport Encode(
        ITrainableModel model, IReadOnlyList<TrainingExample> rows, string subject, FineTuneOptions options, out EncodedExample?[] encoded)
    {
        var tooLong = new List<string>();
        encoded = [.. rows.Select(row =>
        {
            if (DataReport.HasNoResponse(row)) return null;
            var fitting = model.Prompts.EncodeIfItFits(row, out var refusal);
            if (refusal is not null) tooLong.Add($"{row.Source}: {refusal.Found}");
            return fitting;
        })];
        var report = DataReport.Of(rows) with
        {
            TooLong = tooLong,
            Cut = [.. encoded.OfType<EncodedExample>().Where(row => row.IsCut).Select(row => row.Source)],
        };
        if (!options.SkipUnusableRows) report.RequireResponses(subject);
        return report;
    }

    private static RunRows Split<T>(
        IReadOnlyList<T> rows, IReadOnlyList<EncodedExample?> given, IReadOnlyList<T>? validation, IReadOnlyList<EncodedExample?>? held,
        Func<T, string> key, FineTuneOptions options, out IReadOnlyList<T> heldOut)
    {
        (rows, var usable) = Usable(rows, given);
        var keys = rows.Select(key).ToArray();
        if (validation is not null)
        {
            OptionCheck.Require(options.Validation.Share == 0, Share, options.Validation.Share, "0, because validation rows are given",
                "Leave one of them out.");
            if (validation.Count == 0)
                throw new NlftException("validation rows", "none", "one or more", "Leave them out to train without validation.");
            (heldOut, var encoded) = Usable(validation, held!);
            RequireNewQuestions(usable, keys, encoded, [.. heldOut.Select(key)]);
            return new RunRows { Given = given, Training = usable, Validation = encoded };
        }
        if (options.Validation.Share == 0) options.Validation.RequireUnused();
        var questions = DrawHeldOut(keys, options);
        heldOut = [.. rows.Where((_, row) => questions.Contains(keys[row]))];
        return new RunRows
        {
            Given = given,
            Training = [.. usable.Where((_, row) => !questions.Contains(keys[row]))],
            Validation = [.. usable.Where((_, row) => questions.Contains(keys[row]))],
        };
    }

    private static (IReadOnlyList<T> Rows, EncodedExample[] Encoded) Usable<T>(IReadOnlyList<T> rows, IReadOnlyList<EncodedExample?> encoded) =>
        ([.. rows.Where((_, row) => encoded[row] is not null)], [.. encoded.OfType<EncodedExample>()]);

    /// <summary>Draws the questions to hold out. The draw does not depend on the order of the rows.</summary>
    private static HashSet<string> DrawHeldOut(string[] keys, FineTuneOptions options)
    {
        if (options.Validation.Share == 0 || keys.Length == 0) return [];
        var questions = RowOrder.Draw(keys.Distinct(StringComparer.Ordinal), options.Seed);
        OptionCheck.Require(questions.Length > 1, Share, options.Validation.Share, "0 for rows of a single question",
            "Add rows of other questions, or train without validation.");
        return [.. questions.Take(Math.Clamp((int)Math.Round(options.Validation.Share * questions.Length), 1, questions.Length - 1))];
    }

    private static void RequireNewQuestions(EncodedExample[] training, string[] keys, EncodedExample[] validation, string[] validationKeys)
    {
        var first = new Dictionary<string, EncodedExample>(StringComparer.Ordinal);
        foreach (var (row, key) in training.Zip(keys)) first.TryAdd(key, row);
        var both = validation.Zip(validationKeys).Where(pair => first.ContainsKey(pair.Second)).ToList();
        if (both.Count == 0) return;
        var (held, trained) = (both[0].First, first[both[0].Second]);
        throw new NlftException("validation rows", $"{both.Count} whose question is also trained: first {held.Source}, as in {trained.Source}",
            "questions that no training row asks", "Leave these rows out on one side, or let Validation.Share hold out questions.");
    }

    /// <summary>Returns a question as it is compared: white space as single blanks, case ignored.</summary>
    private static string Key(TrainingExample row) =>
        string.Join(' ', (row.Chat?.PromptKey ?? row.Question).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)).ToUpperInvariant();
}
