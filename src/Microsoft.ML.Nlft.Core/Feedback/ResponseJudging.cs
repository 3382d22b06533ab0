using System.Runtime.CompilerServices;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Distributed;

namespace Microsoft.ML.Nlft.Feedback;

/// <summary>A row with its verdict.</summary>
/// <param name="Row">The row with the verdict's judgment.</param>
/// <param name="Verdict">The verdict.</param>
public sealed record JudgedRow(DataRow Row, Verdict Verdict);

/// <summary>Sets how rows are judged.</summary>
public sealed record JudgingOptions
{
    /// <summary>A file that keeps finished verdicts, so that a killed run resumes; null: none. The caller deletes it.</summary>
    public string? Journal { get; init; }

    /// <summary>Number of rows, for progress over a stream whose length is not known; null: unknown.</summary>
    public int? RowCount { get; init; }

    /// <summary>Receives a report after every verdict; null: none.</summary>
    public IProgress<DataProgress>? Progress { get; init; }

    /// <summary>The clock for progress. Default the system's.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>
    /// Whether processes that an MPI launcher (mpirun, srun) started together divide the rows; all of them must call. False: each judges all rows
    /// itself. Default true, which has no effect in a single process.
    /// </summary>
    public bool Distributed { get; init; } = true;

    /// <summary>The processes of the job; null (the default): those that an MPI launcher started, or this process alone.</summary>
    public Communicator? Communicator { get; init; }

    /// <summary>
    /// Rows that a process receives at a time, 0 or more. Default 0: as many as the judge judges at the same time, or less where there would be
    /// fewer than four chunks for each process. A single process ignores it.
    /// </summary>
    public int ChunkSize { get; init; }
}

/// <summary>The result of judging: the rows to learn from, and those that cannot be used.</summary>
/// <param name="Rows">The rows with a verdict, in order; right ones have no judgment.</param>
/// <param name="Unparsable">The rows whose verdict could not be parsed: left out of <paramref name="Rows"/>.</param>
public sealed record JudgedSet(IReadOnlyList<DataRow> Rows, IReadOnlyList<JudgedRow> Unparsable)
{
    /// <summary>Rows judged correct.</summary>
    public int Correct => Rows.Count(row => row.Polarity == Polarity.Correct);

    /// <summary>Rows judged incorrect.</summary>
    public int Incorrect => Rows.Count - Correct;
}

/// <summary>Runs judges over rows.</summary>
/// <remarks>
/// The processes of a job (<see cref="JudgingOptions.Distributed"/>) divide the rows. Each of them calls with the same rows and an equal judge;
/// each gets all verdicts once the last one is complete. Each judges <see cref="IResponseJudge.MaximumParallelism"/> rows at the same time, so a
/// service receives requests from all of them.
/// </remarks>
public static class ResponseJudging
{
    /// <summary>Judges rows, as many at the same time as the judge allows.</summary>
    /// <param name="judge">The judge.</param>
    /// <param name="rows">Rows with responses and answers.</param>
    /// <param name="options">Journal and progress; null: neither.</param>
    /// <param name="cancellationToken">Cancels; finished verdicts stay in the journal.</param>
    /// <returns>The rows in order, including the unparsable ones.</returns>
    /// <exception cref="NlftException">A row cannot be judged, the judge cannot be reached, or the journal belongs to another run.</exception>
    public static IAsyncEnumerable<JudgedRow> JudgeAllAsync(
        this IResponseJudge judge, IAsyncEnumerable<DataRow> rows, JudgingOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(judge);
        ArgumentNullException.ThrowIfNull(rows);
        options ??= new();
        OptionCheck.Require(options.ChunkSize >= 0, nameof(options.ChunkSize),
            options.ChunkSize, "0 or more", "Use 0 for a size that fits the number of processes.");
        var processes = Communicator.Resolve(options.Distributed, options.Communicator);
        return processes.Size == 1 ? Run(judge, rows, options, cancellationToken) : RunShared(judge, rows, options, processes, cancellationToken);
    }

    private static async IAsyncEnumerable<JudgedRow> Run(
        IResponseJudge judge, IAsyncEnumerable<DataRow> rows, JudgingOptions options,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var journal = new Journal<Verdict>(options.Journal, judge.Name);
        var meter = new DataMeter(options.RowCount, options.Progress, options.TimeProvider);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var pending = new Queue<Task<(JudgedRow Judged, bool Fresh)>>();
        try
        {
            var index = 0;
            await foreach (var row in rows.WithCancellation(cancellationToken).ConfigureAwait(false))
            {
                pending.Enqueue(JudgeOneAsync(row, index++));
                if (pending.Count >= judge.MaximumParallelism) yield return await NextAsync().ConfigureAwait(false);
            }
            while (pending.Count > 0) yield return await NextAsync().ConfigureAwait(false);
        }
        finally
        {
            // A failure, or a caller that stops reading, cancels the others; all of them finish before the journal is closed.
            await stop.CancelAsync().ConfigureAwait(false);
            await ((Task)Task.WhenAll(pending)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        async Task<(JudgedRow, bool)> JudgeOneAsync(DataRow row, int index)
        {
            var identity = IdentityOf(row);
            var known = journal.TryGet(index, identity, out var verdict);
            if (!known) journal.Append(index, identity, verdict = await judge.JudgeAsync(row, stop.Token).ConfigureAwait(false));
            return (new JudgedRow(row with { Judgment = verdict.Judgment }, verdict), !known);
        }

        async Task<JudgedRow> NextAsync()
        {
            var (judged, fresh) = await pending.Peek().ConfigureAwait(false); // stays in the queue until done, for the finally block
            _ = pending.Dequeue();
            meter.Report(fresh, judged.Verdict);
            return judged;
        }
    }

    private static async IAsyncEnumerable<JudgedRow> RunShared(
        IResponseJudge judge, IAsyncEnumerable<DataRow> rows, JudgingOptions options, Communicator processes,
        [EnumeratorCancellation] CancellationToken cancellationToken)
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
            var parallel = new ParallelOptions { MaxDegreeOfParallelism = judge.MaximumParallelism, CancellationToken = stop };
            await Parallel.ForAsync(0, made.Length, parallel, async (i, end) =>
                made[i] = await judge.JudgeAsync(all[chunk[i]], end).ConfigureAwait(false)).ConfigureAwait(false);
            return made;
        }
    }

    private static string IdentityOf(DataRow row) => ResponseGenerator.IdentityOf(row.Instruction, row.Question, row.Response, row.Answer);

    /// <summary>Collects judged rows and separates those whose verdict could not be parsed.</summary>
    /// <param name="judged">What <see cref="JudgeAllAsync"/> returns.</param>
    /// <param name="cancellationToken">Cancels.</param>
    public static async Task<JudgedSet> ToSetAsync(this IAsyncEnumerable<JudgedRow> judged, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(judged);
        var (rows, unparsable) = (new List<DataRow>(), new List<JudgedRow>());
        await foreach (var one in judged.WithCancellation(cancellationToken).ConfigureAwait(false))
        {
            if (one.Verdict.Kind == VerdictKind.Unparsable) unparsable.Add(one);
            else rows.Add(one.Row);
        }
        return new JudgedSet(rows, unparsable);
    }
}
