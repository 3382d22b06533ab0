using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Tests.Fakes;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>The saliency map through the ML.NET API.</summary>
[TestClass]
public sealed class SaliencyTests : ModelTest
{
    [TestMethod]
    public void SaliencyMap_View_GivesTokensView()
    {
        var map = MLContext.Nlft().SaliencyMap(View(ThreeRows), new SaliencyMapOptions
        {
            ModelFolder = Disk.Folder,
            Objective = new() { SalientRatioToBase = 1 },
        });
        Assert.HasCount(3, map.Rows);
        Assert.AreEqual("It adds.", map.Rows[2].Example.Judgment);
        Assert.AreEqual(1, map.Options.SalientRatioToBase);

        var tokens = MLContext.Data.CreateEnumerable<Token>(MLContext.Nlft().SaliencyTokens(map), reuseRowObject: false).ToList();
        Assert.HasCount(map.Rows.Sum(row => row.Tokens.Count), tokens);
        foreach (var token in tokens)
        {
            var expected = map.Rows[token.Row].Tokens[token.Position];
            Assert.AreEqual(0, token.Epoch);
            Assert.AreEqual(expected.Text, token.Text);
            Assert.AreEqual(expected.Base, token.Base);
            Assert.AreEqual(expected.Judge ?? double.NaN, token.Judge);
            Assert.AreEqual(expected.Standard, token.Standard);
            Assert.AreEqual(expected.RatioToBase ?? double.NaN, token.RatioToBase);
            Assert.AreEqual(expected.RatioToStandard ?? double.NaN, token.RatioToStandard);
            Assert.AreEqual($"{expected.Saliency.Role}", token.Role);
            Assert.AreEqual(expected.Saliency.Weight, token.Weight);
            Assert.AreEqual(expected.Saliency.Coefficient, token.Coefficient);
        }
    }

    [TestMethod]
    public void SaliencyMap_SavedModel_UsesItsAdapter()
    {
        var options = Options();
        options.Engine = null; // the fake engine's scores would do, but not its adapter
        using var model = Fit(options);
        MLContext.Nlft().Save(model, Disk.Beside("saved"));
        var row = new TrainingExample
        {
            Question = "2 + 3?",
            Response = "2 + 3 = 6. #### 6",
            Judgment = "2 + 3 is not 6.",
            Answer = "2 + 3 = 5. #### 5",
        };
        var explained = model.ExplainTraining(row).Rows.Single();
        Assert.AreSame(row, explained.Example);
        var saved = MLContext.Nlft().SaliencyMap(View(ThreeRows), new SaliencyMapOptions { ModelFolder = Disk.Beside("saved") });
        CollectionAssert.AreEqual(explained.Tokens.Select(token => token.Base).ToArray(), saved.Rows[0].Tokens.Select(token => token.Base).ToArray());
        var untrained = MLContext.Nlft().SaliencyMap(View(ThreeRows), new SaliencyMapOptions { ModelFolder = Disk.Folder });
        CollectionAssert.AreNotEqual(explained.Tokens.Select(token => token.Base).ToArray(),
            untrained.Rows[0].Tokens.Select(token => token.Base).ToArray());
    }

    [TestMethod]
    public void Fit_RecordedRows_ReachModelAndMonitors()
    {
        var options = Options();
        options.Engine = null;
        options.Training = options.Training with { RecordedRows = [1, 2] };
        var monitor = new Told();
        options.Monitor = monitor;
        using var model = Fit(options);
        var map = model.TrainingMap!;
        CollectionAssert.AreEqual(new[] { 0, 1, 2 }, map.Epochs.ToArray());
        CollectionAssert.AreEqual(new[] { ThreeRows[1].Question, ThreeRows[2].Question }, map.Rows.Select(row => row.Example.Question).ToArray());
        Assert.AreEqual("began NLFT, 4 steps, ended", monitor.Story);
        Assert.IsNull(Fit().TrainingMap);
    }

    [TestMethod]
    public void SaliencyMap_UnusableRows_AreRefused()
    {
        Assert.StartsWith("option ModelFolder: found an empty path; expected",
            Refused(() => MLContext.Nlft().SaliencyMap(View(ThreeRows), new SaliencyMapOptions())));
        Assert.StartsWith("column \"Critique\": found no such column;", Refused(() =>
            MLContext.Nlft().SaliencyMap(View(ThreeRows), new SaliencyMapOptions { ModelFolder = Disk.Folder, JudgmentColumnName = "Critique" })));
        Assert.StartsWith("option SalientRatioToBase: found 0.5;", Refused(() =>
            MLContext.Nlft()
                .SaliencyMap(View(ThreeRows), new SaliencyMapOptions { ModelFolder = Disk.Folder, Objective = new() { SalientRatioToBase = 0.5 } })));
    }

    private static string Refused(Func<object> act) => Assert.ThrowsExactly<NlftException>(act).Message;

    /// <summary>The columns of a view of tokens.</summary>
    private sealed class Token
    {
        public int Row { get; set; }

        public int Epoch { get; set; }

        public int Position { get; set; }

        public string Text { get; set; } = "";

        public double Base { get; set; }

        public double Judge { get; set; }

        public double Standard { get; set; }

        public double RatioToBase { get; set; }

        public double RatioToStandard { get; set; }

        public string Role { get; set; } = "";

        public double Weight { get; set; }

        public double Coefficient { get; set; }
    }

    private sealed class Told : ITrainingMonitor
    {
        private int _steps;

        public string Story { get; private set; } = "";

        public void Begin(RunDescription run) => Story = $"began {run.Method}";

        public void Report(TrainingProgress value) => _steps++;

        public void End(FineTuneResult? result) => Story += $", {_steps} steps, {(result is null ? "failed" : "ended")}";
    }
}
