using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Evaluation;
using Microsoft.ML.Nlft.Feedback;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.TinyModel.Pretraining;
using Microsoft.ML.Nlft.TinyModel.Problems;

namespace Microsoft.ML.Nlft.TinyModel.Tests;

/// <summary>Checks that the committed model and rows are what the samples need.</summary>
[TestClass]
public sealed class SampleModelTests
{
    private static readonly string s_folder = Path.Combine(Fixtures.RepositoryRoot(), "samples", "models", "tiny-word-problems");

    private static readonly string s_data = Path.Combine(Fixtures.RepositoryRoot(), "samples", "data");

    [TestMethod]
    public void Load_SampleModel_IsSmallAndInBfloat16()
    {
        Assert.IsLessThan(9_000_000L, Directory.GetFiles(s_folder).Sum(file => new FileInfo(file).Length));
        using var folder = ModelFolder.Open(s_folder);
        Assert.AreEqual("bfloat16", folder.Configuration.DataType);
        using var model = LocalModel.Load(s_folder, new() { Trainable = TrainableWeights.All });
        Assert.IsLessThanOrEqualTo(4_000_000, model.Network.Export(ModelState.Weights).Sum(weight => weight.Values.Length));
    }

    [TestMethod]
    public void Measure_SampleModel_MastersOneFamilyAndHasAMisconceptionInAnother()
    {
        const int Problems = 40;
        using var model = LocalModel.Load(s_folder);
        var mastered = MasteredFamilies.All.Single(family => family.Name == "more-than-twice");
        var families = new[] { mastered, MisconceptionFamilies.Named(SampleData.CorrectedFamily) };
        var results = Verification.Measure(model, families, Problems, seed: 99, seen: new HashSet<string>()).ToArray();
        Assert.IsGreaterThan(0.9 * Problems, results[0].BaseRight);
        Assert.IsLessThan(0.3 * Problems, results[1].BaseRight);
        Assert.IsGreaterThan(0.9 * Problems, results[1].StandardRight);
        Assert.IsGreaterThan(0.9 * Problems, results[1].JudgeAsNamed);
    }

    [TestMethod]
    public void Read_SampleTrainingRows_AreAllWrongAndJudged()
    {
        var rows = DataFile.ReadExamples(Path.Combine(s_data, "rows.jsonl"));
        Assert.HasCount(25, rows);
        foreach (var row in rows)
        {
            Assert.AreEqual(Polarity.Incorrect, row.Polarity);
            Assert.AreEqual(AnswerOutcome.Wrong, ExactMatchEvaluator.Compare(row.Response, row.Answer, source: row.Source).Outcome);
        }
    }

    [TestMethod]
    public void Read_SampleGoldRows_SolveTheTrainingRows()
    {
        var (rows, gold) = (DataFile.ReadExamples(Path.Combine(s_data, "rows.jsonl")), DataFile.ReadExamples(Path.Combine(s_data, "gold.jsonl")));
        CollectionAssert.AreEqual(rows.Select(row => row.Question).ToArray(), gold.Select(row => row.Question).ToArray());
        foreach (var (wrong, right) in rows.Zip(gold))
        {
            Assert.AreEqual(wrong.Answer, right.Answer);
            Assert.AreEqual(wrong.Response.Split('\n')[0], right.Response.Split('\n')[0], "the first step was right");
            Assert.IsNull(RuleBasedJudge.Judge(right.Response, right.Answer));
        }
    }

    [TestMethod]
    public void Read_SampleQuestions_AreUniqueAndUnseenInPretraining()
    {
        string[] files = ["rows.jsonl", "test-corrected.jsonl", "test-others.jsonl"];
        var questions = files.SelectMany(file => DataFile.Read(Path.Combine(s_data, file))).Select(row => row.Question).ToArray();
        Assert.HasCount(425, questions);
        CollectionAssert.AllItemsAreUnique(questions);
        var seen = TrainingMix.Rows(new PretrainingRecipe()).Select(row => row.Example.Question).ToHashSet();
        Assert.IsFalse(questions.Any(seen.Contains));
    }
}
