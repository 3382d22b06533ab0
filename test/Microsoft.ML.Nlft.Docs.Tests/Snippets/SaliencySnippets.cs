using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Monitoring;

namespace Microsoft.ML.Nlft.Docs;

/// <summary>What docs/saliency.md shows.</summary>
[TestClass]
public sealed class SaliencySnippets : Workplace
{
    [TestMethod]
    public void SaliencyPage_Program_Runs()
    {
        #region map
        var mlContext = new MLContext(seed: 42);
        IDataView rows = mlContext.Nlft().LoadFromJsonLines("rows.jsonl");
        var map = mlContext.Nlft().SaliencyMap(rows, new SaliencyMapOptions { ModelFolder = "model" });
        map.Save("map.html");                                          // the page
        foreach (var token in map.Rows[0].Tokens)                      // records, with the ratios
        {
            Console.WriteLine($"{token.Text} {token.Base:0.000} {token.Judge:0.000} {token.Standard:0.000} {token.Saliency.Role} "
                + $"{token.Saliency.Weight:0.00} {token.Saliency.Coefficient:0.000}");
        }
        IDataView tokens = mlContext.Nlft().SaliencyTokens(map);       // the same as columns, one row per token
        #endregion
        Assert.AreEqual(map.Rows.Sum(row => row.Tokens.Count), tokens.GetRowCount());
        {
            #region epochs
            using var model = mlContext.Nlft().Trainers.NaturalLanguageFineTune(new NaturalLanguageFineTuneTrainer.Options
            {
                ModelFolder = "model",
                Training = new() { Epochs = 2, RecordedRows = [0, 1, 2] },
                Monitor = new SaliencyMapFile("run.html"),                 // written after every epoch; open it during the run
            }).Fit(rows);
            model.TrainingMap!.Save("run.html");                           // or once, at the end
            var row = new TrainingExample { Question = "2 + 3?", Response = "2 + 3 = 6", Judgment = "2 + 3 is not 6.", Answer = "5" };
            model.ExplainTraining(row).Save("row.html");                   // what the fine-tuned model would learn from another row
            #endregion
            Assert.HasCount(3, model.TrainingMap.Epochs);
        }
        #region follow
        using var live = new LivePage();                               // a page on this machine
        using var board = new TensorBoardWriter("runs/first");         // event files
        Console.WriteLine(live.Address);
        using var followed = mlContext.Nlft().Trainers.NaturalLanguageFineTune(new NaturalLanguageFineTuneTrainer.Options
        {
            ModelFolder = "model", Training = new() { Epochs = 2 }, Monitor = new TrainingMonitors(new ConsoleReporter(), live, board),
        }).Fit(rows);
        #endregion
        foreach (var page in (string[])["map.html", "run.html", "row.html"]) Assert.IsTrue(File.Exists(page), page);
        Assert.HasCount(1, Directory.GetFiles("runs/first"));
    }
}
