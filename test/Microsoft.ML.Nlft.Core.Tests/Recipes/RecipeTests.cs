using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Feedback;
using Microsoft.ML.Nlft.OnPolicy;
using Microsoft.ML.Nlft.Recipes;

namespace Microsoft.ML.Nlft.Tests.Recipes;

/// <summary>Every recipe trains as it stands.</summary>
[TestClass]
public sealed class RecipeTests
{
    public static IEnumerable<object[]> Names => Recipe.All.Select(recipe => new object[] { recipe.Name });

    [TestMethod]
    [DynamicData(nameof(Names))]
    public async Task Train_Recipe_Trains(string name)
    {
        using var folder = new ByteModelFolder();
        using var model = LocalModel.Load(folder.Path, new() { Trainable = TrainableWeights.Lora });
        var (recipe, row) = (Recipe.Of(name), new DataRow { Question = "1?", Response = "2", Judgment = "It is more.", Answer = "3" });
        if (recipe.Rounds is { } rounds)
        {
            var result = await new OnPolicyRun(model, [row], new RuleBasedJudge(), recipe.Objective, rounds with
            {
                Training = recipe.Training, Generation = new() { Temperature = 1, MaximumNewTokens = 4 },
            }).RunAsync();
            Assert.AreEqual(rounds.Rounds * rounds.StepsPerRound, result.Rounds.Sum(round => round.Steps));
        }
        else
        {
            var steps = model.FineTune([row.ToExample()], recipe.Objective, recipe.Training).Steps;
            Assert.HasCount(recipe.Training.MaximumSteps is var most and > 0 ? most : recipe.Training.Epochs, steps);
            Assert.IsTrue(steps.All(step => double.IsFinite(step.Loss) && step.GradientNorm > 0));
        }
    }

    [TestMethod]
    public void Of_AnotherName_IsRefusedWithTheNearest()
    {
        Assert.AreEqual("the recipe: found \"judged-response\"; expected published, judged-responses, judged-solutions, rejection-sampling. "
            + "Did you mean judged-responses?", Assert.ThrowsExactly<NlftException>(() => Recipe.Of("judged-response")).Message);
        CollectionAssert.AllItemsAreUnique(Names.Select(name => name[0]).ToArray());
    }
}
