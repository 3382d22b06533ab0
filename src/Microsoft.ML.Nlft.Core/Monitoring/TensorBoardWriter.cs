using System.Globalization;
using System.Text;
using Microsoft.ML.Nlft.Monitoring.TensorBoard;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Monitoring;

/// <summary>Writes a run as a TensorBoard event file: the scalars of every step, and the options as text.</summary>
/// <remarks>
/// <c>tensorboard --logdir FOLDER</c> shows every run below a folder. Tags: <c>train/loss</c>, <c>train/token_accuracy</c>,
/// <c>train/salient_share</c>, <c>train/gradient_norm</c>, <c>train/learning_rate</c>, <c>train/tokens_per_second</c>, <c>train/epoch</c>; the text
/// <c>options</c>. With held-out rows: <c>validation/loss</c>, <c>validation/accuracy</c>, the text <c>validation/answers</c>.
/// Each run writes its own file; every step is in the file as soon as it is reported.
/// </remarks>
public sealed class TensorBoardWriter : ITrainingMonitor, IDisposable
{
    private readonly TimeProvider _time;
    private EventFile? _file;

    /// <summary>Creates a writer; the file is created when a run begins.</summary>
    /// <param name="folder">The folder of the run; created when missing.</param>
    /// <param name="timeProvider">The clock of the events; null: the system clock.</param>
    /// <exception cref="NlftException">A file has that name.</exception>
    public TensorBoardWriter(string folder, TimeProvider? timeProvider = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (File.Exists(folder))
            throw new NlftException(folder, "a file", "a folder, or a place for a new one", "Name another folder for TensorBoard.");
        (Folder, _time) = (folder, timeProvider ?? TimeProvider.System);
    }

    /// <summary>Gets the folder of the event files.</summary>
    public string Folder { get; }

    /// <inheritdoc/>
    public void Begin(RunDescription run)
    {
        ArgumentNullException.ThrowIfNull(run);
        Dispose();
        var text = new StringBuilder($"{run.Method} on {run.Rows} rows, model {run.Model}.\n\n| | option | value |\n|---|---|---|\n");
        foreach (var option in run.Options)
            text.Append(CultureInfo.InvariantCulture, $"| {Cell(option.Group)} | {Cell(option.Name)} | {Cell(option.Value)} |\n");
        Open().Markdown(Now, "options", text.ToString());
    }

    /// <inheritdoc/>
    public void Report(TrainingProgress value)
    {
        ArgumentNullException.ThrowIfNull(value);
        Open().Scalars(Now, value.Step,
        [
            ("train/loss", value.Loss), ("train/token_accuracy", value.TokenAccuracy), ("train/salient_share", value.SalientShare),
            ("train/gradient_norm", value.GradientNorm), ("train/learning_rate", value.LearningRate),
            ("train/tokens_per_second", value.TokensPerSecond),
            ("train/epoch", value.Epoch),
        ]);
        foreach (var report in value.Validation) Write(report);
    }

    private void Write(ValidationReport report)
    {
        Open().Scalars(Now, report.Step, [("validation/loss", report.Loss)]);
        if (report.Accuracy is { } accuracy) Open().Scalars(Now, report.Step, [("validation/accuracy", accuracy)]);
        if (report.Samples.Count == 0) return;
        var text = new StringBuilder("| question | answer | expected | outcome |\n|---|---|---|---|\n");
        foreach (var (question, expected, answer, outcome) in report.Samples)
            text.Append(CultureInfo.InvariantCulture, $"| {Cell(question)} | {Cell(answer)} | {Cell(expected)} | {outcome} |\n");
        Open().Markdown(Now, "validation/answers", text.ToString(), report.Step);
    }

    /// <inheritdoc/>
    public void End(FineTuneResult? result) => Dispose();

    /// <summary>Closes the file.</summary>
    public void Dispose()
    {
        _file?.Dispose();
        _file = null;
    }

    private double Now => (_time.GetUtcNow() - DateTimeOffset.UnixEpoch).TotalSeconds;

    /// <summary>
    /// Returns the file of this run. TensorBoard recognizes event files by "tfevents" in the name and reads those of a folder in name order.
    /// </summary>
    private EventFile Open()
    {
        if (_file is not null) return _file;
        Directory.CreateDirectory(Folder);
        var name = string.Create(CultureInfo.InvariantCulture,
            $"events.out.tfevents.{(long)Now:0000000000}.{Environment.MachineName}.{Environment.ProcessId}");
        var path = Path.Combine(Folder, name);
        for (var copy = 1; File.Exists(path); copy++) path = Path.Combine(Folder, string.Create(CultureInfo.InvariantCulture, $"{name}.{copy}"));
        return _file = new EventFile(path, Now);
    }

    private static string Cell(string text) => text.Replace("|", "\\|", StringComparison.Ordinal).Replace("\n", " ", StringComparison.Ordinal);
}
