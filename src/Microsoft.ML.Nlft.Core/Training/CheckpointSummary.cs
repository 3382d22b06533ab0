namespace Microsoft.ML.Nlft.Training;

/// <summary>Describes the run that wrote a checkpoint: its options and how far it came. Does not resume it.</summary>
/// <example>
/// <code>
/// if (CheckpointSummary.Load("checkpoints") is { } newest) Console.WriteLine($"{newest.Path}: step {newest.Step}, loss {newest.Steps[^1].Loss}");
/// </code>
/// </example>
public sealed record CheckpointSummary
{
    private CheckpointSummary() { }

    /// <summary>The file.</summary>
    public required string Path { get; init; }

    /// <summary>What tells the base model apart (<see cref="TrainingRun.BaseModel"/>); empty when nobody said.</summary>
    public required string BaseModel { get; init; }

    /// <summary>What computed (<see cref="TrainingRun.Engine"/>); null when nobody said.</summary>
    public required string? Engine { get; init; }

    /// <summary>Every option of training, adapter and objective by name.</summary>
    public required IReadOnlyDictionary<string, string> Options { get; init; }

    /// <summary>Rows of the run, 1 or more.</summary>
    public required int Rows { get; init; }

    /// <summary>Epochs completed, 0 or more.</summary>
    public required int Epoch { get; init; }

    /// <summary>Steps done, those skipped included, 1 or more.</summary>
    public required int Step { get; init; }

    /// <summary>What every step reported, those skipped left out.</summary>
    public required IReadOnlyList<TrainingProgress> Steps { get; init; }

    /// <summary>Reads a checkpoint, and checks the hash over all of it.</summary>
    /// <param name="place">A checkpoint, or a folder of them: the newest whole one of it.</param>
    /// <returns>Null when the folder holds none or is not there.</returns>
    /// <exception cref="NlftException">The file is missing, damaged or no checkpoint, or no checkpoint of the folder is whole.</exception>
    public static CheckpointSummary? Load(string place)
    {
        ArgumentNullException.ThrowIfNull(place);
        if (Checkpoint.Find(place) is not var (path, checkpoint)) return null;
        var (run, state) = (checkpoint.Run, checkpoint.State);
        return new()
        {
            Path = path, BaseModel = run.BaseModel, Engine = run.Engine, Options = run.Options, Rows = run.Rows.Count,
            Epoch = state.Epoch, Step = state.Step, Steps = state.Steps,
        };
    }
}
