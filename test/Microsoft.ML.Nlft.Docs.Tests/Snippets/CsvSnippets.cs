using Microsoft.ML.Data;

namespace Microsoft.ML.Nlft.Docs;

/// <summary>What docs/getting-started.md shows in C#.</summary>
[TestClass]
public sealed class CsvSnippets : Workplace
{
    #region row
    public sealed class Row
    {
        [LoadColumn(0)] public string Question { get; set; } = "";
        [LoadColumn(1)] public string Response { get; set; } = "";      // what the model wrote
        [LoadColumn(2)] public string Judgment { get; set; } = "";      // why that is wrong, in plain words; empty when it is right
        [LoadColumn(3)] public string Answer { get; set; } = "";        // the right answer
    }
    #endregion

    [TestMethod]
    public void GettingStarted_InCSharp_Runs()
    {
        #region train
        var mlContext = new MLContext(seed: 42);
        // a line per step: loss, salient share, time left
        mlContext.Log += (_, e) => { if (e.Source.StartsWith("Nlft")) Console.WriteLine(e.Message); };
        IDataView rows = mlContext.Data.LoadFromTextFile<Row>("rows.csv", new TextLoader.Options
        {
            Separators = [','], HasHeader = true, AllowQuoting = true, ReadMultilines = true,
        });
        var trainer = mlContext.Nlft().Trainers.NaturalLanguageFineTune("model", epochs: 4, learningRate: 1e-3);
        using TextGenerationTransformer model = trainer.Fit(rows);
        #endregion
        Assert.HasCount(4, model.Training!.Steps);
        Assert.Contains("\n",
            mlContext.Data.CreateEnumerable<Row>(rows, reuseRowObject: false).First().Response, "a field of several lines is one field");
        #region evaluate
        IDataView predictions = model.Transform(mlContext.Nlft().LoadFromJsonLines("test.jsonl"));
        var metrics = mlContext.Nlft().Evaluate(predictions);
        Console.WriteLine($"{metrics.Accuracy:P1} ({metrics.LowerBound:P1} to {metrics.UpperBound:P1}), {metrics.Correct} of {metrics.Total}");
        #endregion
        Assert.AreEqual(3, metrics.Total);
        #region save
        mlContext.Nlft().Save(model, "my-adapter", model.Card with { BaseModel = "HuggingFaceTB/SmolLM2-135M-Instruct" });
        using var again = mlContext.Nlft().Load("my-adapter");
        #endregion
        #region merge
        // the adapter merged into the weights, for programs that cannot load adapters
        mlContext.Nlft().SaveMerged(model, "my-model");
        using var merged = mlContext.Nlft().LoadBaseModel("my-model");
        #endregion
        Assert.IsNotNull(again.Adapter);
        Assert.IsNull(merged.Adapter);
    }
}
