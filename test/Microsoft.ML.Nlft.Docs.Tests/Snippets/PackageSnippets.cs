namespace Microsoft.ML.Nlft.Docs;

/// <summary>What src/Microsoft.ML.Nlft/PACKAGE.md shows; the other packages show regions of other tests.</summary>
[TestClass]
public sealed class PackageSnippets : Workplace
{
    [TestMethod]
    public void PackagePage_Program_Runs()
    {
        #region package
        var mlContext = new MLContext(seed: 42);
        IDataView rows = mlContext.Nlft().Data.Load("rows.csv");          // Question, Response, Judgment, Answer
        IDataView unseen = mlContext.Nlft().Data.Load("test.jsonl");      // Question, Answer
        var trainer = mlContext.Nlft().Trainers.NaturalLanguageFineTune("model", epochs: 4, learningRate: 1e-3);
        using TextGenerationTransformer model = trainer.Fit(rows);
        IDataView predictions = model.Transform(unseen);                  // adds GeneratedAnswer
        Console.WriteLine(mlContext.Nlft().Evaluate(predictions));        // accuracy with its 95 % interval
        mlContext.Nlft().Save(model, "adapter");                          // a PEFT adapter folder
        #endregion
        Assert.AreEqual(3, mlContext.Nlft().Evaluate(predictions).Total);
        Assert.IsTrue(LocalModelDescription.IsIn("adapter"));
    }
}
