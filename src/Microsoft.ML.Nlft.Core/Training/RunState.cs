namespace Microsoft.ML.Nlft.Training;

/// <summary>Where a run stands between two steps, weights and optimizer aside. The draws of shuffling and dropout follow from the position, so no generator has a state.</summary>
internal sealed class RunState
{
    /// <summary>Epochs completed.</summary>
    public int Epoch { get; set; }

    /// <summary>Rows of the present epoch that are done.</summary>
    public int RowsDone { get; set; }

    /// <summary>Steps done, those skipped included: the position in the schedule.</summary>
    public int Step { get; set; }

    /// <summary>Steps without an optimizer step, because a number was not finite.</summary>
    public int Skipped { get; set; }

    /// <summary>Tokens of the trained sequences.</summary>
    public long TokensTrained { get; set; }

    /// <summary>What was reported, one entry per step that was not skipped.</summary>
    public List<TrainingProgress> Steps { get; init; } = [];

    /// <summary>What was recorded and not reported yet.</summary>
    public IReadOnlyList<RecordedEpoch> Pending { get; set; } = [];

    /// <summary>Moves past a window.</summary>
    public void Advance(int rows, int rowsOfEpoch)
    {
        Step++;
        RowsDone += rows;
        if (RowsDone < rowsOfEpoch) return;
        RowsDone = 0;
        Epoch++;
    }
}
