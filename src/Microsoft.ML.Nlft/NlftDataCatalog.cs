using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Feedback;
using Microsoft.ML.Nlft.Views;

namespace Microsoft.ML.Nlft;

/// <summary>
/// Makes a training set from questions: what <c>mlContext.Nlft().Data</c> returns. Views have the text columns Question, Response, Judgment, Answer
/// and Instruction; missing values are empty texts. A view that you pass in needs only the question column.
/// </summary>
/// <example>
/// <code>
/// var data = mlContext.Nlft().Data;
/// IDataView responses = data.Generate(model, data.Load("questions.jsonl"));
/// JudgedData judged = data.Judge(responses, new RuleBasedJudge());
/// IDataView rows = data.Select(judged.Rows, 50, new ResponseRatio(1, 3));
/// data.Save(rows, "rows.jsonl");
/// </code>
/// </example>
public sealed class NlftDataCatalog
{
    private readonly MLContext _mlContext;

    internal NlftDataCatalog(MLContext mlContext) => _mlContext = mlContext;

    /// <summary>
    /// Reads a file of any format. Chat rows (<see cref="TrainingFile"/>) become text columns as the file names them, messages or prompt and
    /// completion, which <see cref="SupervisedFineTuneTrainer"/> reads.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="format">Its format; null: by its extension (<see cref="DataFile.Read"/>).</param>
    /// <param name="columns">The names of the file's columns or keys; null: the default ones, in upper or lower case.</param>
    /// <returns>The rows, read immediately and kept in memory.</returns>
    /// <exception cref="NlftException">The file cannot be used: names the first fault with file, line and what was expected.</exception>
    public IDataView Load(string path, RowFormat? format = null, DataColumns? columns = null) =>
        format is null && columns is null && TrainingFile.IsOnlyForTraining(path)
            ? RowViews.OfTraining(_mlContext, TrainingFile.Read(path).Rows) : View(DataFile.Read(path, format, columns));

    /// <summary>Writes a view in any format, atomically.</summary>
    /// <param name="rows">The view.</param>
    /// <param name="path">The file; an existing one is replaced.</param>
    /// <param name="format">The format; null: by the extension.</param>
    /// <exception cref="NlftException">A row lacks a text that the format needs, or the format is for reading only.</exception>
    public void Save(IDataView rows, string path, RowFormat? format = null) => DataFile.Write(path, Rows(rows), format);

    /// <summary>Generates a model's responses to questions; returns when all are complete.</summary>
    /// <param name="model">The model.</param>
    /// <param name="questions">The view with the questions.</param>
    /// <param name="options">
    /// The options; null: those of the published runs. With <see cref="ResponseOptions.Journal"/> a killed run resumes where it stopped.
    /// </param>
    /// <param name="cancellationToken">Cancels; finished responses stay in the journal.</param>
    /// <returns>One row per response; blank responses are left out, because nothing can be learned from them.</returns>
    /// <exception cref="NlftException">A column, a row or an option cannot be used.</exception>
    public IDataView Generate(LocalModel model, IDataView questions, ResponseOptions? options = null, CancellationToken cancellationToken = default)
    {
        var rows = Rows(questions);
        options = (options ?? new()) with { QuestionCount = rows.Count };
        return View(Wait(async () =>
        {
            var responses = new List<DataRow>();
            var all = ResponseGenerator.GenerateAsync(model, rows.ToAsyncEnumerable(), options, cancellationToken);
            await foreach (var response in all.ConfigureAwait(false))
                if (!string.IsNullOrWhiteSpace(response.Row.Response)) responses.Add(response.Row);
            return responses;
        }));
    }

    /// <summary>Judges responses; returns when all verdicts are complete.</summary>
    /// <param name="rows">The view with responses and answers.</param>
    /// <param name="judge">The judge: <see cref="RuleBasedJudge"/>, <see cref="ChatJudge"/>, or one of your own.</param>
    /// <param name="options">Journal and progress; null: neither.</param>
    /// <param name="cancellationToken">Cancels; finished verdicts stay in the journal.</param>
    /// <exception cref="NlftException">A column or a row cannot be used, or the judge cannot be reached.</exception>
    public JudgedData Judge(IDataView rows, IResponseJudge judge, JudgingOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(judge);
        var all = Rows(rows);
        options = (options ?? new()) with { RowCount = all.Count };
        var judged = Wait(() => judge.JudgeAllAsync(all.ToAsyncEnumerable(), options, cancellationToken).ToSetAsync(cancellationToken));
        return new JudgedData(View(judged.Rows), judged.Correct, judged.Incorrect, judged.Unparsable.Count);
    }

    /// <summary>Draws a training set from judged rows.</summary>
    /// <param name="rows">The view with judged rows: a row without a judgment counts as correct.</param>
    /// <param name="count">Number of rows, 1 or more.</param>
    /// <param name="ratio">Correct to incorrect; null: the first rows after the shuffle.</param>
    /// <param name="seed">Seeds the shuffle.</param>
    /// <exception cref="NlftException">A column or a row cannot be used, or there are too few rows of a kind.</exception>
    public IDataView Select(IDataView rows, int count, ResponseRatio? ratio = null, int seed = RowSelection.DefaultSeed)
    {
        var all = Rows(rows);
        return View(ratio is { } wanted ? RowSelection.WithRatio(all, count, wanted, seed) : RowSelection.First(all, count, seed));
    }

    private IDataView View(IEnumerable<DataRow> rows) => RowViews.Of(_mlContext, rows);

    private static IReadOnlyList<DataRow> Rows(IDataView view)
    {
        ArgumentNullException.ThrowIfNull(view);
        string? Optional(string name) => TextColumns.HasOrMisspells(view.Schema, name) ? name : null;
        return RowViews.Read(view, new(ColumnNames.Question, Optional(ColumnNames.Response), Optional(ColumnNames.Judgment),
            Optional(ColumnNames.Answer), Optional(ColumnNames.Instruction)), CancellationToken.None);
    }

    /// <summary>
    /// Waits for asynchronous work, since ML.NET is synchronous. The work runs on the thread pool, so that it never waits for the caller's
    /// synchronization context.
    /// </summary>
    private static T Wait<T>(Func<Task<T>> work) => Task.Run(work).GetAwaiter().GetResult();
}

/// <summary>The result of judging.</summary>
/// <param name="Rows">The rows with a verdict; right ones have an empty judgment.</param>
/// <param name="Correct">Rows judged correct.</param>
/// <param name="Incorrect">Rows judged incorrect.</param>
/// <param name="Unparsable">Rows whose verdict could not be parsed: left out of <paramref name="Rows"/>.</param>
public sealed record JudgedData(IDataView Rows, int Correct, int Incorrect, int Unparsable);
