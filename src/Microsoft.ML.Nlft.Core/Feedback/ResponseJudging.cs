using System.Runtime.CompilerServices;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Distributed;

namespace Microsoft.ML.Nlft.Feedback;

/// <summary>A row with what its judge says.</summary>
/// <param name="Row">The row; its judgment is the verdict's.</param>
/// <param name="Verdict">The verdict.</param>
public sealed record JudgedRow(JsonLinesRow Row, Verdict Verdict);

/// <summary>How rows are judged.</summary>
public sealed record JudgingOptions
{
    /// <summary>A file that keeps what is done, so that a killed run goes on; null: nothing is kept. It is left for the caller to delete.</summary>
    public string? Journal { get; init; }

    /// <summary>Number of rows, for progress over a stream whose length is not known; null: unknown.</summary>
    public int? RowCount { get; init; }

    /// <summary>Told of every verdict.</summary>
    public IProgress<DataProgress>? Progress { get; init; }

    /// <summary>Measures the run. Default the system's clock.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>
    /// Whether processes that a launcher of MPI (mpirun, srun) has started together divide the rows; all of them must call. False: each judges all of them for itself.
    /// Default true, which changes nothing in a process on its own.
    /// </summary>
    public bool Distributed { get; init; } = true;

    /// <summary>The processes of the job; null (the default): those that a launcher of MPI has started, or this process alone.</summary>
    public Communicator? Communicator { get; init; }

    /// <summary>
    /// Rows that a process is given at a time, 0 or more. Default 0: as many as the judge judges at the same time, or less where there would be fewer than four chunks
    /// for each process. Of no meaning to a single process.
    /// </summary>
    public int ChunkSize { get; init; }
}

/// <summary>What came of judging: the rows to learn from, and how many could not be used.</summary>
/// <param name="Rows">The rows with a verdict, in order; right ones have no judgment.</param>
/// <param name="Unparsable">The rows whose verdict could not be parsed: kept out of <paramref name="Rows"/>.</param>
public sealed record JudgedSet(IReadOnlyList<TrainingExample> Rows, IReadOnlyList<JudgedRow> Unparsable)
{
    /// <summary>Rows judged correct.</summary>
    public int Correct => Rows.Count(row => row.Polarity == Polarity.Correct);

    /// <summary>Rows judged incorrect.</summary>
    public int Incorrect => Rows.Count - Correct;
}

/// <summary>Runs judges over rows.</summary>
/// <remarks>
/// The processes of a job (<see cref="JudgingOptions.Distributed"/>) divide the rows: each of them calls with the same rows and an equal judge, each gets all
/// verdicts, and they come when all are there. Each judges <see cref="IResponseJudge.MaximumParallelism"/> rows at the same time: a service is asked by all of them.
/// </remarks>
public static class ResponseJudging
{
    /// <summary>Judges rows, as many at a time as the judge wants.</summary>
    /// <param name="judge">The judge.</param>
    /// <param name="rows">Rows with responses and answers.</param>
    /// <param name="options">Journal and progress; null: neither.</param>
    /// <param name="cancellationToken">Cancels; what is done stays in the journal.</param>
    /// <returns>The rows in order, the unparsable ones among them.</returns>
    /// <exception cref="NlftException">A row cannot be judged, the judge cannot be reached, or the journal is that of another run.</exception>
    public static IAsyncEnumerable<JudgedRow> JudgeAllAsync(
        this IResponseJudge judge, IAsyncEnumerable<JsonLinesRow> rows, JudgingOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(judge);
        ArgumentNullException.ThrowIfNull(rows);
        options ??= new();
        OptionCheck.Require(options.ChunkSize >= 0, nameof(options.ChunkSize), options.ChunkSize, "0 or more", "Use 0 for a size that fits the number of processes.");
        var processes = options.Distributed ? options.Communicator ?? Communicator.Current : Communicator.Single;
        return processes.Size == 1 ? Run(judge, rows, options, cancellationToken) : RunShared(judge, rows, options, processes, cancellationToken);
    }

    private static async IAsyncEnumerable<JudgedRow> Run(
        IResponseJudge judge, IAsyncEnumerable<JsonLinesRow> rows, JudgingOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var journal = new Journal<Verdict>(options.Journal, judge.Name);
        var meter = new DataMeter(options.RowCount, options.Progress, options.TimeProvider);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var under = new Queue<Task<(JudgedRow Judged, bool Fresh)>>();
        try
        {
            var index = 0;
            await foreach (var row in rows.WithCancellation(cancellationToken).ConfigureAwait(false))
            {
                under.Enqueue(JudgeOneAsync(row, index++));
                if (under.Count >= judge.MaximumParallelism) yield return await NextAsync().ConfigureAwait(false);
            }
            while (under.Count > 0) yield return await NextAsync().ConfigureAwait(false);
        }
        finally
        {
            // One that fails, or a caller who leaves, ends the others; each is waited for, so that none writes to a closed journal.
            await stop.CancelAsync().ConfigureAwait(false);
            await ((Task)Task.WhenAll(under)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        async Task<(JudgedRow, bool)> JudgeOneAsync(JsonLinesRow row, int index)
        {
            var identity = IdentityOf(row);
            var known = journal.TryGet(index, identity, out var verdict);
            if (!known) journal.Append(index, identity, verdict = await judge.JudgeAsync(row, stop.Token).ConfigureAwait(false));
            return (new JudgedRow(row with { Judgment = verdict.Judgment }, verdict), !known);
        }

        async Task<JudgedRow> NextAsync()
        {
            var (judged, fresh) = await under.Peek().ConfigureAwait(false); // stays in the queue while it runs: whoever leaves waits for it
            _ = under.Dequeue();
            meter.Report(fresh, judged.Verdict);
            return judged;
        }
    }

    private static async IAsyncEnumerable<JudgedRow> RunShared(
        IResponseJudge judge, IAsyncEnumerable<JsonLinesRow> rows, JudgingOptions options, Communicator processes, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var all = await rows.ToListAsync(cancellationToken).ConfigureAwait(false);
        var verdicts = await new SharedResults<Verdict>
        {
            Processes = processes,
            Rows = ("rows to judge", [.. all.Select(IdentityOf)]),
            Run = ("judge", judge.Name),
            Journal = options.Journal,
            Progress = options.Progress,
            Time = options.TimeProvider,
            ChunkSize = options.ChunkSize,
            Batch = judge.MaximumParallelism,
            VerdictOf = verdict => verdict,
            Work = (chunk, stop) => JudgeAsync(chunk, stop).GetAwaiter().GetResult(),
        }.RunAsync(cancellationToken).ConfigureAwait(false);
        for (var i = 0; i < all.Count; i++) yield return new JudgedRow(all[i] with { Judgment = verdicts[i].Judgment }, verdicts[i]);

        async Task<Verdict[]> JudgeAsync(IReadOnlyList<int> chunk, CancellationToken stop)
        {
            var made = new Verdict[chunk.Count];
            var together = new ParallelOptions { MaxDegreeOfParallelism = judge.MaximumParallelism, CancellationToken = stop };
            await Parallel.ForAsync(0, made.Length, together, async (i, end) => made[i] = await judge.JudgeAsync(all[chunk[i]], end).ConfigureAwait(false)).ConfigureAwait(false);
            return made;
        }
    }

    private static string IdentityOf(JsonLinesRow row) => ResponseGenerator.IdentityOf(row.Instruction, row.Question, row.Response, row.Answer);

    /// <summary>Collects judged rows: those to learn from, and those whose verdict could not be parsed.</summary>
    /// <param name="judged">What <see cref="JudgeAllAsync"/> gives.</param>
    /// <param name="cancellationToken">Cancels.</param>
    public static async Task<JudgedSet> ToSetAsync(this IAsyncEnumerable<JudgedRow> judged, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(judged);
        var (rows, unparsable) = (new List<TrainingExample>(), new List<JudgedRow>());
        await foreach (var one in judged.WithCancellation(cancellationToken).ConfigureAwait(false))
        {
            if (one.Verdict.Kind == VerdictKind.Unparsable) unparsable.Add(one);
            else rows.Add(one.Row.ToExample());
        }
        return new JudgedSet(rows, unparsable);
    }
}
