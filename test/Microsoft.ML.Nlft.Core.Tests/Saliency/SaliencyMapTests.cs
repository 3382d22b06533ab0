using System.Text.RegularExpressions;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Monitoring;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Saliency;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Saliency;

[TestClass]
public sealed partial class SaliencyMapTests
{
    private static readonly TrainingExample[] Three =
    [
        new() { Question = "1+2?", Response = "4!", Judgment = "The sum is wrong.", Answer = "3" },
        new() { Question = "2+2?", Response = "4 </script><b>", Answer = "4" },
        new() { Question = "2+3?", Response = "6", Judgment = "No.", Answer = "5" },
    ];

    [TestMethod]
    public void Rows_AnalyzedRows_MatchTheAnalyzer()
    {
        using var folder = new ByteModelFolder();
        using var model = LocalModel.Load(folder.Path);
        var options = new NaturalLanguageObjectiveOptions { SalientRatioToBase = 1, MinimumJudgeProbability = 0 };
        var map = model.CreateSaliencyMap(Three, options);
        Assert.AreEqual(Path.GetFileName(folder.Path), map.Model);
        CollectionAssert.AreEqual(new[] { 0 }, map.Epochs.ToArray());
        var seen = new SaliencyAnalyzer(model.Network, new NaturalLanguageObjective(options)).Analyze([.. Three.Select(model.Prompts.Encode)]);
        for (var row = 0; row < 3; row++)
        {
            Assert.AreSame(Three[row], map.Rows[row].Example);
            Assert.AreEqual(Three[row].Response, string.Concat(map.Rows[row].Texts.SkipLast(1)), "all but the end-of-turn token");
            CollectionAssert.AreEqual(seen[row].Saliency, map.Rows[row].Tokens.Select(token => token.Saliency).ToArray());
            CollectionAssert.AreEqual(seen[row].Base.Select(Math.Exp).ToArray(), map.Rows[row].Tokens.Select(token => token.Base).ToArray());
            foreach (var token in map.Rows[row].Tokens)
            {
                Assert.AreEqual(token.Judge / token.Base, token.RatioToBase);
                Assert.AreEqual(token.Judge / token.Standard, token.RatioToStandard);
                Assert.AreEqual(Three[row].Polarity == Polarity.Correct, token.RatioToBase is null);
            }
        }
    }

    [TestMethod]
    [DataRow(ClusterRule.None)]
    [DataRow(ClusterRule.Similar)]
    public void Save_Map_WritesOneSelfContainedFile(ClusterRule rule)
    {
        using var folder = new ByteModelFolder();
        using var model = LocalModel.Load(folder.Path);
        var path = Path.Combine(folder.Path, "map.html");
        model.CreateSaliencyMap(Three, new() { ClusterRule = rule, ClusterThreshold = 0.333 }).Save(path);
        var page = File.ReadAllText(path);
        Assert.AreEqual("", string.Join(' ', Reference().Matches(page.Replace("http://www.w3.org/2000/svg", "the name of a language"))
            .Select(match => match.Value)));
        Assert.AreEqual(2, page.Split("</script>").Length - 1, "what a response says ends no script");
        Assert.IsEmpty(Placeholder().Matches(page).ToArray());
        CollectionAssert.AreEqual(new[] { path }, Directory.GetFiles(folder.Path, "*map.html*"), "nothing temporary is left");
    }

    [TestMethod]
    [DataRow("""{"messages": [{"role": "user", "content": "2+3?"}, {"role": "assistant", "content": "5"}]}""", "5<|im_end|>")]
    [DataRow("""
        {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}]}
        """, "b<|im_end|>d<|im_end|>")]
    [DataRow("""{"prompt": [{"role": "user", "content": "2+3?"}], "completion": [{"role": "assistant", "content": "5"}]}""", "5<|im_end|>\n")]
    [DataRow("""{"prompt": "2+3=", "completion": "5"}""", "5</s>")]
    [DataRow("""{"text": "2+3 is 5"}""", "+3 is 5</s>")] // nothing predicts the first token
    [DataRow("""{"question": "2+3?", "answer": "5"}""", "5<|im_end|>")]
    [DataRow("""{"instruction": "2+3?", "output": "5"}""", "5<|im_end|>")]
    public void CreateLossMap_AnyLayout_ColoursWhatCarriesLoss(string line, string carries)
    {
        using var folder = new ByteModelFolder();
        using var model = LocalModel.Load(folder.Path);
        using var file = new TemporaryFolder();
        var rows = TrainingFile.Read(file.Write("rows.jsonl", line.ReplaceLineEndings("") + "\n")).Examples();
        var map = model.CreateLossMap(rows);
        var row = map.Rows.Single();
        var encoded = model.Prompts.Encode(rows[0]);
        CollectionAssert.AreEqual(encoded.Sequence(PromptContexts.Base).Tokens.ToArray()[1..], row.Epochs[0].Tokens, "all but the first token");
        Assert.EndsWith(carries, string.Concat(row.Tokens.Where(token => token.Saliency.Coefficient > 0).Select(token => token.Text)));
        Assert.HasCount(encoded.CountedTokens, row.Tokens.Where(token => token.Saliency.Coefficient != 0).ToArray());
        Assert.IsTrue(map.IsSupervised);
        map.Write(Stream.Null);
    }

    [TestMethod]
    public void Create_RowsDiffer_IsRefused()
    {
        using var folder = new ByteModelFolder();
        using var model = LocalModel.Load(folder.Path);
        Assert.AreEqual("saliency map: found no recorded epoch; expected one epoch or more. Name rows in RecordedRows before training.",
            Assert.ThrowsExactly<NlftException>(() => SaliencyMap.Create("model", new(), Three, [], id => "")).Message);
        var recorded = new RecordedEpoch(0, model.CreateSaliencyMap(Three).Rows.Select(row => row.Epochs[0]).ToList());
        Assert.AreEqual("saliency map: found 2 rows; expected the 3 that were recorded. Give the rows that RecordedRows names, in its order.",
            Assert.ThrowsExactly<NlftException>(() => SaliencyMap.Create("model", new(), Three[..2], [recorded], id => "")).Message);
    }

    [TestMethod]
    public void Write_IncompleteMap_IsRefused()
    {
        using var folder = new ByteModelFolder();
        using var model = LocalModel.Load(folder.Path);
        var map = model.CreateSaliencyMap(Three);
        string Refused(SaliencyMap wrong) => Assert.ThrowsExactly<NlftException>(() => wrong.Write(Stream.Null)).Message;
        const string remedy = "Make the map with CreateSaliencyMap, ExplainTraining or a recorded run of natural language fine-tuning.";
        Assert.AreEqual("saliency map: found no rows; expected one or more. Give it rows to show.", Refused(map with { Rows = [] }));
        Assert.AreEqual(
            $"saliency map, row: found cluster walks for other thresholds; expected rows that were analyzed with the map's options. {remedy}",
            Refused(map with { Options = new() { ClusterThreshold = 0.333 } }));
        var plain = new SaliencyAnalyzer(model.Network, new NaturalLanguageObjective()).Analyze([model.Prompts.Encode(Three[0])]);
        Assert.AreEqual($"saliency map, row: found no cluster walks; expected a row that was analyzed for a map. {remedy}",
            Refused(map with { Rows = [map.Rows[0] with { Epochs = plain }] }));
        map.Write(Stream.Null);
    }

    [TestMethod]
    public void FineTune_WithMonitors_ReportsAndWritesTheMapEveryEpoch()
    {
        using var folder = new ByteModelFolder();
        using var model = LocalModel.Load(folder.Path, new() { Trainable = TrainableWeights.Lora });
        var path = Path.Combine(folder.Path, "run.html");
        var sizes = new List<long>();
        var monitor = new RecordingMonitor(() => sizes.Add(File.Exists(path) ? new FileInfo(path).Length : 0));
        var result = model.FineTune(Three, new NaturalLanguageObjective(), new() { Epochs = 2, BatchSize = 2, RecordedRows = [2, 0] },
            monitor: new TrainingMonitors(new SaliencyMapFile(path), monitor));
        Assert.AreEqual("NLFT, 3 rows; 4 steps; done", monitor.Story);
        Assert.Contains(option => option is { Group: "Training", Name: "RecordedRows", Value: "[2, 0]" }, monitor.Run!.Options);
        Assert.HasCount(4, sizes);
        // before training, then after each epoch of two steps
        Assert.IsTrue(sizes[0] > 0 && sizes[1] > sizes[0] && sizes[2] == sizes[1] && sizes[3] > sizes[2], string.Join(' ', sizes));
        CollectionAssert.AreEqual(new[] { 0, 1, 2 }, result.Recorded.Select(epoch => epoch.Epoch).ToArray());

        using var source = new CancellationTokenSource();
        source.Cancel();
        monitor = new RecordingMonitor(() => { });
        Assert.ThrowsExactly<OperationCanceledException>(() => model.FineTune(Three, new NaturalLanguageObjective(), monitor: monitor,
            cancellationToken: source.Token));
        Assert.AreEqual("NLFT, 3 rows; 0 steps; failed", monitor.Story);
    }

    [TestMethod]
    public void SaliencyMapFile_OtherObjective_IsRefusedBeforeTraining()
    {
        using var folder = new ByteModelFolder();
        using var model = LocalModel.Load(folder.Path, new() { Trainable = TrainableWeights.Lora });
        Assert.AreEqual("saliency map run.html: found training by SFT; expected by NLFT. Leave the map out, or train with NaturalLanguageObjective.",
            Assert.ThrowsExactly<NlftException>(() => model.FineTune(Three, new LikelihoodObjective(),
                monitor: new SaliencyMapFile("run.html"))).Message);
    }

    /// <summary>Records the calls of a monitor.</summary>
    private sealed class RecordingMonitor(Action step) : ITrainingMonitor
    {
        private int _steps;
        private string _end = "";

        public RunDescription? Run { get; private set; }

        public string Story => $"{Run!.Method}, {Run.Rows} rows; {_steps} steps; {_end}";

        public void Begin(RunDescription run) => Run = run;

        public void Report(TrainingProgress value)
        {
            _steps++;
            step();
        }

        public void End(FineTuneResult? result) => _end = result is null ? "failed" : "done";
    }

    /// <summary>Matches anything that a browser would fetch.</summary>
    [GeneratedRegex(@"https?:|src=|@import|url\(|href=""(?!data:)")]
    private static partial Regex Reference();

    [GeneratedRegex(@"\{\{\w+\}\}")]
    private static partial Regex Placeholder();
}
