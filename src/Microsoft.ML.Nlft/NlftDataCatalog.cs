using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Feedback;
using Microsoft.ML.Nlft.Views;

namespace Microsoft.ML.Nlft;

/// <summary>
/// From questions to a training set: what <c>mlContext.Nlft().Data</c> returns. Views have the text columns Question, Response, Judgment, Answer and
/// Instruction; what a row lacks is an empty text. Of a view that comes in, only the question column must be there.
/// </summary>
/// <example>
/// <code>
/// var data = mlContext.Nlft().Data;
/// IDataView responses = data.Generate(model, data.Load("questions.jsonl"));
/// JudgedData judged = data.Judge(responses, new RuleJudge());
/// IDataView rows = data.Select(judged.Rows, 50, new ResponseRatio(1, 3));
/// data.Save(rows, "rows.jsonl");
/// </code>
/// </example>
public sealed class NlftDataCatalog
{
    private static readonly string[] s_columns = [ColumnNames.Question, ColumnNames.Response, ColumnNames.Judgment, ColumnNames.Answer, ColumnNames.Instruction];

    private readonly MLContext _mlContext;

    internal NlftDataCatalog(MLContext mlContext) => _mlContext = mlContext;

    /// <summary>Reads a file of any format.</summary>
    /// <param name="path">The file.</param>
    /// <param name="format">Its format; null: by its extension (<see cref="DataFile.Read"/>).</param>
    /// <exception cref="NlftException">The first fault, with file, line and what was expected.</exception>
    public IDataView Load(string path, RowFormat? format = null) => View(DataFile.Read(path, format));

    /// <summary>Writes a view in any format; the file appears whole or not at all.</summary>
    /// <param name="rows">The view.</param>
    /// <param name="path">The file; one that is there is replaced.</param>
    /// <param name="format">The format; null: by the extension.</param>
    /// <exception cref="NlftException">A row lacks a text that the format needs, or the format is for reading only.</exception>
    public void Save(IDataView rows, string path, RowFormat? format = null) => DataFile.Write(path, Rows(rows), format);

    /// <summary>Lets a model respond to questions; returns when all responses are there.</summary>
    /// <param name="model">The model.</param>
    /// <param name="questions">The view with the questions.</param>
    /// <param name="options">How; null: as the published runs. With <see cref="ResponseOptions.Journal"/> a killed run goes on where it stopped.</param>
    /// <param name="cancellationToken">Cancels; what is done stays in the journal.</param>
    /// <returns>One row per response; blank responses are left out, as nothing can be learned from them.</returns>
    /// <exception cref="NlftException">A column, a row or an option cannot be used.</exception>
    public IDataView Generate(LocalModel model, IDataView questions, ResponseOptions? options = null, CancellationToken cancellationToken = default)
    {
        var rows = Rows(questions);
        options = (options ?? new()) with { QuestionCount = rows.Count };
        return View(Wait(async () =>
        {
            var responses = new List<JsonLinesRow>();
            await foreach (var response in ResponseGenerator.GenerateAsync(model, rows.ToAsyncEnumerable(), options, cancellationToken).ConfigureAwait(false))
                if (!string.IsNullOrWhiteSpace(response.Row.Response)) responses.Add(response.Row);
            return responses;
        }));
    }

    /// <summary>Judges responses; returns when all verdicts are there.</summary>
    /// <param name="rows">The view with responses and answers.</param>
    /// <param name="judge">The judge: <see cref="RuleJudge"/>, <see cref="ChatJudge"/>, or your own.</param>
    /// <param name="options">Journal and progress; null: neither.</param>
    /// <param name="cancellationToken">Cancels; what is done stays in the journal.</param>
    /// <exception cref="NlftException">A column or a row cannot be used, or the judge cannot be reached.</exception>
    public JudgedData Judge(IDataView rows, IResponseJudge judge, JudgingOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(judge);
        var all = Rows(rows);
        options = (options ?? new()) with { RowCount = all.Count };
        var judged = Wait(() => judge.JudgeAllAsync(all.ToAsyncEnumerable(), options, cancellationToken).ToSetAsync(cancellationToken));
        return new JudgedData(View(judged.Rows.Select(JsonLinesRow.Of)), judged.Correct, judged.Incorrect, judged.Unparsable.Count);
    }

    /// <summary>Draws a training set.</summary>
    /// <param name="rows">The view with judged rows: a row without a judgment counts as correct.</param>
    /// <param name="count">How many rows.</param>
    /// <param name="ratio">Correct to incorrect; null: the first rows after the shuffle, as they come.</param>
    /// <param name="seed">Seeds the shuffle.</param>
    /// <exception cref="NlftException">A column or a row cannot be used, or there are too few rows of a kind.</exception>
    public IDataView Select(IDataView rows, int count, ResponseRatio? ratio = null, int seed = RowSelection.DefaultSeed)
    {
        TrainingExample[] all = [.. Rows(rows).Select(row => row.ToExample())];
        return View((ratio is { } wanted ? RowSelection.WithRatio(all, count, wanted, seed) : RowSelection.First(all, count, seed)).Select(JsonLinesRow.Of));
    }

    private IDataView View(IEnumerable<JsonLinesRow> rows) => _mlContext.Data.LoadFromEnumerable(rows.Select(row => new TextColumnsRow(row)).ToList());

    private static List<JsonLinesRow> Rows(IDataView view)
    {
        ArgumentNullException.ThrowIfNull(view);
        string[] names = [.. s_columns.Where(name => name == ColumnNames.Question || view.Schema.GetColumnOrNull(name) is not null)];
        var columns = names.Select(name => TextColumns.Find(view.Schema, name)).ToList();
        using var cursor = view.GetRowCursor(columns);
        var reader = new TextRowReader(cursor, columns.Select(column => column.Index));
        var rows = new List<JsonLinesRow>();
        while (cursor.MoveNext())
        {
            var row = reader.Read();
            string? Text(string name) => Array.IndexOf(names, name) is var at and >= 0 && !string.IsNullOrWhiteSpace(row.Texts[at]) ? row.Texts[at] : null;
            var question = Text(ColumnNames.Question)
                ?? throw new NlftException($"{row.Name}, {ColumnNames.Question}", "an empty text", "a text", "Fill it in or leave the row out.");
            rows.Add(new JsonLinesRow(question, Text(ColumnNames.Response), Text(ColumnNames.Judgment), Text(ColumnNames.Answer), Text(ColumnNames.Instruction), row.Name));
        }
        return rows;
    }

    /// <summary>ML.NET is synchronous; on the thread pool no caller's context can be waited for.</summary>
    private static T Wait<T>(Func<Task<T>> work) => Task.Run(work).GetAwaiter().GetResult();
}

/// <summary>What came of judging.</summary>
/// <param name="Rows">The rows with a verdict; right ones have an empty judgment.</param>
/// <param name="Correct">Rows judged correct.</param>
/// <param name="Incorrect">Rows judged incorrect.</param>
/// <param name="Unparsable">Rows whose verdict could not be parsed: left out of <paramref name="Rows"/>.</param>
public sealed record JudgedData(IDataView Rows, int Correct, int Incorrect, int Unparsable);
