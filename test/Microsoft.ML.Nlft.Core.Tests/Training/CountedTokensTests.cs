using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Training;

/// <summary>Tokens that do not count in the loss: scored, but with a coefficient of 0 and left out of every mean.</summary>
[TestClass]
public sealed class CountedTokensTests
{
    private readonly TableLanguageModel _model = new(Rows.Vocabulary);

    [TestMethod]
    public void Run_TokensThatDoNotCount_HaveNoCoefficientAndNoShareOfTheLoss()
    {
        var step = Train(new LikelihoodObjective(), LossReduction.ExampleMean, Row([5, 6, 7, 4], [true, false, true, false]));
        CollectionAssert.AreEqual(new[] { 0.5f, 0, 0.5f, 0 }, _model.Coefficients[0][0]);
        var fresh = new TableLanguageModel(Rows.Vocabulary);
        var (first, third) = (fresh.LogProbabilities(0, 3), fresh.LogProbabilities(0, 6));
        Assert.AreEqual(-(first[5] + third[7]) / 2, step.Loss, 1e-6);
        Assert.AreEqual(((first[5] == first.Max() ? 1 : 0) + (third[7] == third.Max() ? 1 : 0)) / 2.0, step.TokenAccuracy);
    }

    [TestMethod]
    public void Run_MeanOverTokens_WeightsRowsByTheirTokensThatCount()
    {
        Train(new LikelihoodObjective(), LossReduction.TokenMean,
            Row([5, 6, 7], [true, false, true]), Row([4, 4, 4, 4], [false, false, false, true]));
        CollectionAssert.AreEqual(new[] { 1 / 3f, 0, 1 / 3f, 0, 0, 0, 1 / 3f }, _model.Coefficients[0].SelectMany(row => row).ToArray());
    }

    [TestMethod]
    public void Run_ObjectiveOfAnotherProgram_SeesTheTokensThatCount()
    {
        var objective = new ScriptedObjective();
        Train(objective, LossReduction.ExampleMean, Row([5, 6, 7, 4], [false, true, true, false]));
        Assert.HasCount(2, objective.Seen[0].Base);
        CollectionAssert.AreEqual(new[] { 0, 0.5f, 0.5f, 0 }, _model.Coefficients[0][0]);
    }

    [TestMethod]
    public void Run_RowsWithoutAGoldContextForNaturalLanguageFineTuning_AreRefusedByName() =>
        Assert.Contains("row, standard context: found no prompt; expected one, because the NLFT objective scores it for correct responses",
            Assert.ThrowsExactly<NlftException>(() => Train(new NaturalLanguageObjective(), LossReduction.ExampleMean, Row([5], [true]))).Message);

    [TestMethod]
    public void Run_RowsInWhichNoTokenCounts_AreRefusedByName() =>
        Assert.Contains("row, response: found no token that counts in the loss; expected one or more",
            Assert.ThrowsExactly<NlftException>(() => Train(new LikelihoodObjective(), LossReduction.TokenMean, Row([5], [false]))).Message);

    [TestMethod]
    public void Analyze_TokensThatDoNotCount_HaveNoWeight()
    {
        var seen = new Nlft.Saliency.SaliencyAnalyzer(_model, new LikelihoodObjective()).Analyze([Row([5, 6, 7], [true, false, true])])[0];
        CollectionAssert.AreEqual(new[] { 1.0, 0, 1 }, seen.Saliency.Select(token => token.Weight).ToArray());
    }

    private TrainingProgress Train(ITokenObjective objective, LossReduction reduction, params EncodedExample[] rows) =>
        SmallRun.Run(_model, new() { Epochs = 1, BatchSize = rows.Length, Reduction = reduction, Shuffle = false }, objective: objective,
            rows: rows).Steps[0];

    private static EncodedExample Row(int[] response, bool[] counted) => new(Polarity.Correct, response, [0, 3], [], [], "row") { Counted = counted };
}
