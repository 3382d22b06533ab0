using Microsoft.ML.Nlft.Distributed;

namespace Microsoft.ML.Nlft.Feedback;

/// <summary>
/// Computes the results of many rows on all processes of a job (<see cref="SharedWork{T}"/>), after a check that they agree on rows and settings.
/// Process 0 keeps the journal and reports progress.
/// </summary>
/// <typeparam name="T">A result; it is sent as JSON, and <see cref="FeedbackJson"/> lists it.</typeparam>
internal sealed record SharedResults<T>
    where T : class
{
    /// <summary>The processes: more than one.</summary>
    public required Communicator Processes { get; init; }

    /// <summary>What the rows are, for messages, and the identity of each; the same on every process.</summary>
    public required (string What, IReadOnlyList<string> Identities) Rows { get; init; }

    /// <summary>What the results depend on, for messages, and its name; the same on every process and in the journal.</summary>
    public required (string What, string Name) Run { get; init; }

    /// <summary>The journal's file; null: none.</summary>
    public required string? Journal { get; init; }

    /// <summary>Receives a report after every result, on process 0; null: none.</summary>
    public required IProgress<DataProgress>? Progress { get; init; }

    /// <summary>The clock for progress.</summary>
    public required TimeProvider Time { get; init; }

    /// <summary>Rows of a chunk; 0: <see cref="SharedWork.SizeFor"/> of <see cref="Batch"/>.</summary>
    public required int ChunkSize { get; init; }

    /// <summary>Rows that are best done in one batch.</summary>
    public required int Batch { get; init; }

    /// <summary>Gets the verdict of a result; null: it has none.</summary>
    public Func<T, Verdict?> VerdictOf { get; init; } = _ => null;

    /// <summary>Computes the results of the rows at the given places, one each.</summary>
    public required Func<IReadOnlyList<int>, CancellationToken, IReadOnlyList<T>> Work { get; init; }

    /// <summary>Runs the work; every process calls it.</summary>
    /// <returns>The results in the order of the rows, on every process.</returns>
    /// <exception cref="NlftException">
    /// The processes have different rows or settings, the journal belongs to another run, or another process has ended or failed.
    /// </exception>
    public Task<T[]> RunAsync(CancellationToken cancellationToken)
    {
        var identities = Rows.Identities;
        JobAgreement.Require(Processes, Rows.What, ResponseGenerator.IdentityOf([.. identities]));
        JobAgreement.Require(Processes, Run.What, Run.Name);
        return Task.Run(() => SharedWork.RunOnAll(Processes, () =>
        {
            using var journal = new Journal<T>(Processes.IsFirst ? Journal : null, Run.Name);
            var meter = new DataMeter(identities.Count, Processes.IsFirst ? Progress : null, Time, Processes.Size);
            return new SharedWork<T>
            {
                Communicator = Processes,
                Json = FeedbackJson.Default.Of<T[]>(),
                Count = identities.Count,
                ChunkSize = ChunkSize > 0 ? ChunkSize : SharedWork.SizeFor(identities.Count, Batch, Processes.Size),
                Work = Work,
                Known = place =>
                {
                    if (!journal.TryGet(place, identities[place], out var done)) return null;
                    meter.Report(fresh: false, VerdictOf(done));
                    return done;
                },
                Keep = (chunk, made, rank) =>
                {
                    journal.Append(chunk.Select((place, i) => (place, identities[place], made[i])));
                    foreach (var result in made) meter.Report(fresh: true, VerdictOf(result), rank);
                },
            }.Run(cancellationToken);
        }, cancellationToken), CancellationToken.None);
    }
}
