using System.Globalization;
using System.Text;
using Microsoft.ML.Nlft.Evaluation;

namespace Microsoft.ML.Nlft.Data;

/// <summary>A row without a judgment whose response ends in another number than the gold answer.</summary>
/// <param name="Source">Where the row came from.</param>
/// <param name="Found">The final number of the response.</param>
/// <param name="Expected">The number of the gold answer.</param>
public sealed record Contradiction(string Source, AnswerNumber Found, AnswerNumber Expected);

/// <summary>Counts and names what is doubtful in the rows of a training run, before its first step.</summary>
public sealed record DataReport
{
    private const int Named = 5;

    private DataReport()
    {
    }

    /// <summary>Gets the number of rows.</summary>
    public int Rows { get; private init; }

    /// <summary>Gets the number of rows with a judgment.</summary>
    public int Judged { get; private init; }

    /// <summary>
    /// Gets the number of rows without a judgment whose response and gold answer both end in one number (<see cref="AnswerExtraction"/>), so that
    /// they can be compared.
    /// </summary>
    public int Compared { get; private init; }

    /// <summary>Gets the rows without a judgment whose response contradicts the gold answer: they would be learned as right.</summary>
    public IReadOnlyList<Contradiction> Contradictions { get; private init; } = [];

    /// <summary>Gets the places of the rows whose question and response equal those of an earlier row, apart from surrounding white space.</summary>
    public IReadOnlyList<string> Duplicates { get; private init; } = [];

    /// <summary>Gets the places of the rows whose response is blank.</summary>
    public IReadOnlyList<string> EmptyResponses { get; private init; } = [];

    /// <summary>
    /// Gets the places of the rows of which <see cref="PromptOptions.MaximumTokens"/> leaves nothing to train on, each with what was found: the
    /// response fills it alone, or what comes before the first token that counts. Known once the rows are encoded, in a run.
    /// </summary>
    public IReadOnlyList<string> TooLong { get; internal init; } = [];

    /// <summary>Gets the places of the rows that <see cref="PromptOptions.MaximumTokens"/> cuts. Known once the rows are encoded, in a run.</summary>
    public IReadOnlyList<string> Cut { get; internal init; } = [];

    /// <summary>Examines rows, in time that grows with their size.</summary>
    /// <param name="rows">The rows to train on.</param>
    public static DataReport Of(IReadOnlyList<TrainingExample> rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        var (compared, contradictions, duplicates, empty) = (0, new List<Contradiction>(), new List<string>(), new List<string>());
        var seen = new HashSet<(string, string, string?)>();
        foreach (var row in rows)
        {
            var key = row.Chat is { } chat ? (chat.WholeKey, "", null) : (row.Question.Trim(), row.Response.Trim(), row.Instruction?.Trim());
            if (HasNoResponse(row)) empty.Add(row.Source);
            else if (!seen.Add(key)) duplicates.Add(row.Source);
            if (Numbers(row) is not var (found, expected)) continue;
            compared++;
            if (found != expected) contradictions.Add(new Contradiction(row.Source, found, expected));
        }
        return new DataReport
        {
            Rows = rows.Count,
            Judged = rows.Count(row => row.Polarity == Polarity.Incorrect),
            Compared = compared,
            Contradictions = contradictions,
            Duplicates = duplicates,
            EmptyResponses = empty,
        };
    }

    /// <summary>Refuses rows without a judgment whose response contradicts the gold answer.</summary>
    /// <param name="subject">What the rows are, for the message. Default "the rows".</param>
    /// <exception cref="NlftException">There are such rows: the message counts them and names the first ones.</exception>
    public void RequireNoContradictions(string subject = "the rows")
    {
        if (Contradictions.Count == 0) return;
        throw new NlftException(subject,
            $"{Contradictions.Count} of {Rows} without a judgment whose final answer is not the gold one ({Names(Contradictions, Text)})",
            "the gold answer, or a judgment that says what is wrong",
            "Judge them (nlft judge), correct them or leave them out; to train on them as right ones, set AllowContradictions "
            + "(nlft: --allow-contradictions).");

        static string Text(Contradiction row) => $"{row.Source}: {row.Found}, not {row.Expected}";
    }

    /// <summary>Refuses rows that show nothing to train on: those whose response is blank or too long.</summary>
    /// <param name="subject">What the rows are, for the message. Default "the rows".</param>
    /// <exception cref="NlftException">There are such rows: the message counts them and names the first ones of each kind.</exception>
    public void RequireResponses(string subject = "the rows")
    {
        if (EmptyResponses.Count + TooLong.Count == 0) return;
        var found = new List<string>();
        if (EmptyResponses.Count > 0) found.Add($"{EmptyResponses.Count} of {Rows} with an empty response ({Names(EmptyResponses, place => place)})");
        if (TooLong.Count > 0) found.Add($"{TooLong.Count} of {Rows} that do not fit into MaximumTokens ({Names(TooLong, place => place)})");
        var remedy = TooLong.Count == 0 ? "Fill them in" : "Fill them in, shorten them, raise MaximumTokens up to what the model allows";
        throw new NlftException(subject, string.Join(" and ", found), "a response in every row, and room for a prompt before it",
            $"{remedy} or leave them out; to have them left out, set SkipUnusableRows (nlft: --skip-unusable-rows).");
    }

    /// <summary>Formats the counts as a plain-text table, with the first places of each kind.</summary>
    public override string ToString()
    {
        var table = new StringBuilder();
        Line("rows", Rows, "");
        Line("with a judgment", Judged, "");
        Line("contradict the answer", Contradictions.Count,
            Contradictions.Count > 0 ? Names(Contradictions, row => row.Source)
            : Compared > 0 ? $"of {Compared} without a judgment that can be compared" : "");
        Line("duplicates", Duplicates.Count, Names(Duplicates, place => place));
        Line("empty responses", EmptyResponses.Count, Names(EmptyResponses, place => place));
        if (TooLong.Count > 0) Line("too long to train on", TooLong.Count, Names(TooLong, place => place));
        Line("cut by the length limit", Cut.Count, Names(Cut, place => place));
        return table.ToString();

        void Line(string what, int count, string places) =>
            table.Append(string.Create(CultureInfo.InvariantCulture, $"{what,-24}{count,7}  {places}").TrimEnd()).Append('\n');
    }

    /// <summary>Whether a row shows nothing that the model should, or should not, write.</summary>
    internal static bool HasNoResponse(TrainingExample row) => row.Chat is { } chat ? chat.IsEmpty : string.IsNullOrWhiteSpace(row.Response);

    /// <summary>The numbers that a right row must have in common; null when they cannot be compared.</summary>
    private static (AnswerNumber Found, AnswerNumber Expected)? Numbers(TrainingExample row) =>
        row.Polarity == Polarity.Correct && row.Answer != row.Response && AnswerExtraction.GoldNumber(row.Answer) is { } expected
        && AnswerExtraction.FinalNumber(row.Response) is { } found ? (found, expected) : null;

    private static string Names<T>(IReadOnlyList<T> rows, Func<T, string> name) =>
        string.Join("; ", rows.Take(Named).Select(name)) + (rows.Count > Named ? $"; {rows.Count - Named} more" : "");
}
