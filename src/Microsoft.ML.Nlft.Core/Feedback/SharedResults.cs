using Microsoft.ML.Nlft.Distributed;

namespace Microsoft.ML.Nlft.Feedback;

/// <summary>
/// The results of many rows, made by all processes of a job (<see cref="SharedWork{T}"/>) once they have agreed on rows and set-up; process 0 keeps the journal and reports.
/// </summary>
/// <typeparam name="T">A result; goes to JSON and back.</typeparam>
internal sealed record SharedResults<T>
    where T : class
{
    /// <summary>Who works; more than one process.</summary>
    public required Communicator Processes { get; init; }

    /// <summary>What the rows are, for messages, and what each of them is: the same on every process.</summary>
    public required (string What, IReadOnlyList<string> Identities) Rows { get; init; }

    /// <summary>What decides over the results, for messages, and its name: the same on every process, and that of the journal's run.</summary>
    public required (string What, string Name) Run { get; init; }

    /// <summary>The journal's file; null: nothing is kept.</summary>
    public required string? Journal { get; init; }

    /// <summary>Told of every result, on process 0.</summary>
    public required IProgress<DataProgress>? Progress { get; init; }

    /// <summary>Measures the run.</summary>
    public required TimeProvider Time { get; init; }

    /// <summary>Rows of a chunk; 0: <see cref="SharedWork.SizeFor"/> of <see cref="Batch"/>.</summary>
    public required int ChunkSize { get; init; }

    /// <summary>How many rows are best done together.</summary>
    public required int Batch { get; init; }

    /// <summary>The verdict that a result is; null: it is none.</summary>
    public Func<T, Verdict?> VerdictOf { get; init; } = _ => null;

    /// <summary>Makes the results of the rows at some places, one each.</summary>
    public required Func<IReadOnlyList<int>, CancellationToken, IReadOnlyList<T>> Work { get; init; }

    /// <summary>Does the work; every process calls it.</summary>
    /// <returns>The results in the order of the rows, on every process.</returns>
    /// <exception cref="NlftException">The processes have different rows or set-ups, the journal is that of another run, or another process has ended or failed.</exception>
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
