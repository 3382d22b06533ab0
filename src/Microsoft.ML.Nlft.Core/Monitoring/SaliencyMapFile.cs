using Microsoft.ML.Nlft.Saliency;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Monitoring;

/// <summary>
/// Writes the saliency map of the recorded rows (<see cref="FineTuneOptions.RecordedRows"/>) after every epoch, so that it can be opened during the
/// run.
/// </summary>
public sealed class SaliencyMapFile : ITrainingMonitor
{
    private readonly string _path;
    private readonly List<RecordedEpoch> _recorded = [];
    private RunDescription? _run;

    /// <summary>Creates a monitor that writes a file.</summary>
    /// <param name="path">The HTML file, which is replaced after every epoch.</param>
    public SaliencyMapFile(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        _path = path;
    }

    /// <inheritdoc/>
    /// <exception cref="NlftException">The objective is not natural language fine-tuning: it has no map.</exception>
    public void Begin(RunDescription run)
    {
        ArgumentNullException.ThrowIfNull(run);
        if (run.Map is null)
        {
            throw new NlftException($"saliency map {_path}", $"training by {run.Method}", "by NLFT",
                "Leave the map out, or train with NaturalLanguageObjective.");
        }
        _recorded.Clear();
        _run = run;
    }

    /// <inheritdoc/>
    public void Report(TrainingProgress value)
    {
        ArgumentNullException.ThrowIfNull(value);
        if (value.Recorded.Count == 0 || _run is null) return;
        _recorded.AddRange(value.Recorded);
        _run.Map!(_recorded).Save(_path);
    }

    /// <inheritdoc/>
    public void End(FineTuneResult? result) => _run = null;
}
