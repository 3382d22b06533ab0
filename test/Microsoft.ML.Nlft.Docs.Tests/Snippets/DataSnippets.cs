using Microsoft.Extensions.AI;
using Microsoft.ML.Nlft.Chat;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Feedback;

namespace Microsoft.ML.Nlft.Docs;

/// <summary>What docs/data.md shows.</summary>
[TestClass]
public sealed class DataSnippets : Workplace
{
    [TestMethod]
    public void DataPage_WithMLNet_Runs()
    {
        var mlContext = new MLContext();
        #region ml.net
        var data = mlContext.Nlft().Data;
        using var model = LocalModel.Load("model");
        IDataView responses = data.Generate(model, data.Load("test.jsonl"),
            new() { SamplesPerQuestion = 4, Generation = new() { Temperature = 1, MaximumNewTokens = 96 } });
        JudgedData judged = data.Judge(responses, new RuleBasedJudge());
        IDataView rows = data.Select(judged.Rows, count: 4, ResponseRatio.AllIncorrect);
        data.Save(rows, "selected.jsonl");
        #endregion
        Assert.HasCount(4, DataFile.ReadExamples("selected.jsonl"));
    }

    [TestMethod]
    public async Task DataPage_AsStreams_Runs()
    {
        #region streams
        using var model = LocalModel.Load("model");
        var responses = ResponseGenerator.GenerateAsync(model, DataFile.ReadAsync("test.jsonl"), new() { Journal = "responses.partial" });
        var judged = await new RuleBasedJudge().JudgeAllAsync(responses.Select(response => response.Row)).ToSetAsync();
        Console.WriteLine($"{judged.Correct} correct, {judged.Incorrect} incorrect, {judged.Unparsable.Count} without a verdict");
        #endregion
        Assert.HasCount(3, judged.Rows);
    }

    [TestMethod]
    public async Task DataPage_ChatJudge_Runs()
    {
        #region chat judge
        using IChatClient client = NlftModel.LoadChatClient("model"); // or any other client of Microsoft.Extensions.AI
        using var judge = new ChatJudge(client, new() { MaximumParallelism = 8, MaximumOutputTokens = 64 });
        var judged = await judge.JudgeAllAsync(DataFile.ReadAsync("rows.jsonl"), new() { Journal = "verdicts.partial" }).ToSetAsync();
        foreach (var row in judged.Unparsable) Console.WriteLine($"{row.Row.Source}: {row.Verdict.Reply}");
        #endregion
        Assert.AreEqual(4, judged.Rows.Count + judged.Unparsable.Count);
    }
}
