using Microsoft.Extensions.Logging;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Docs;

/// <summary>What docs/observability.md shows.</summary>
[TestClass]
public sealed partial class ObservabilitySnippets : Workplace
{
    #region logger
    /// <summary>Logs a run: its start, every step and its end.</summary>
    public sealed partial class LoggerMonitor(ILogger logger) : ITrainingMonitor
    {
        public void Begin(RunDescription run) => Begun(run.Method, run.Rows, run.Model);

        public void Report(TrainingProgress value) => Stepped(value.Step, value.TotalSteps, value.Loss);

        public void End(FineTuneResult? result) => Ended(result?.Steps.Count ?? 0, result is null ? "failed" : "ended");

        [LoggerMessage(LogLevel.Information, "{Method} on {Rows} rows, model {Model}")]
        private partial void Begun(string method, int rows, string model);

        [LoggerMessage(LogLevel.Debug, "Step {Step} of {Steps}: loss {Loss}")]
        private partial void Stepped(int step, int steps, double loss);

        [LoggerMessage(LogLevel.Information, "The run {Outcome} after {Steps} steps")]
        private partial void Ended(int steps, string outcome);
    }
    #endregion

    [TestMethod]
    public void ObservabilityPage_LoggerMonitor_LogsTheRun()
    {
        var lines = new Lines();
        using var model = LocalModel.Load("model", new() { Trainable = TrainableWeights.Lora });
        var rows = DataFile.ReadExamples("rows.csv");
        var result = model.FineTune(rows, new NaturalLanguageObjective(), new() { Epochs = 1, BatchSize = 4 }, monitor: new LoggerMonitor(lines));
        Assert.HasCount(result.Steps.Count + 2, lines.Texts);
        Assert.AreEqual($"Information: NLFT on {rows.Count} rows, model {model.Name}", lines.Texts[0]);
        Assert.StartsWith($"Debug: Step 1 of {result.Steps.Count}: loss ", lines.Texts[1]);
        Assert.AreEqual($"Information: The run ended after {result.Steps.Count} steps", lines.Texts[^1]);
    }

    private sealed class Lines : ILogger
    {
        public List<string> Texts { get; } = [];

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) => Texts.Add($"{logLevel}: {formatter(state, exception)}");
    }
}
