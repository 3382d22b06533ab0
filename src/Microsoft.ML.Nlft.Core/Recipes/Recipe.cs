using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.OnPolicy;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Recipes;

/// <summary>
/// An objective and options of training, by the rows that they are for: those of the published runs, and those that did best in the comparison on
/// the same information (docs/study-informed.md), with its 50 steps and the learning rate that served most of its methods.
/// </summary>
/// <remarks>
/// The comparison trained a small model on 10 to 50 rows. A large model needs a lower <see cref="FineTuneOptions.LearningRate"/>, more rows more
/// <see cref="FineTuneOptions.MaximumSteps"/>.
/// </remarks>
public sealed record Recipe
{
    private const double Rate = 1e-3;

    private Recipe()
    {
    }

    /// <summary>Gets the name, in lower case with hyphens.</summary>
    public required string Name { get; init; }

    /// <summary>Gets what the rows must hold.</summary>
    public required string Rows { get; init; }

    /// <summary>Gets what is done with them.</summary>
    public required string What { get; init; }

    /// <summary>Gets the objective to minimize.</summary>
    public required ITokenObjective Objective { get; init; }

    /// <summary>Gets the options of training.</summary>
    public required FineTuneOptions Training { get; init; }

    /// <summary>Gets the rounds on responses that the model draws, without their training; null: the rows hold the responses.</summary>
    public OnPolicyOptions? Rounds { get; init; }

    /// <summary>Gets natural language fine-tuning as published (arXiv 2412.20382): the defaults of this library.</summary>
    public static Recipe Published => new()
    {
        Name = "published", Rows = "responses, judgments of the wrong ones, answers", What = "natural language fine-tuning as published",
        Objective = new NaturalLanguageObjective(), Training = new(),
    };

    /// <summary>Gets contrastive unlikelihood training on judged responses; the answers may be bare results.</summary>
    public static Recipe JudgedResponses => new()
    {
        Name = "judged-responses", Rows = "responses, judgments of the wrong ones, answers", What = "contrastive unlikelihood on the responses",
        Objective = new ContrastiveUnlikelihoodObjective(), Training = FiftySteps,
    };

    /// <summary>Gets the same with the worked solutions beside the responses, as right ones.</summary>
    public static Recipe JudgedSolutions => new()
    {
        Name = "judged-solutions", Rows = "responses, judgments of the wrong ones, worked solutions as answers",
        What = "contrastive unlikelihood on the responses, likelihood of the solutions",
        Objective = new ContrastiveUnlikelihoodObjective(), Training = FiftySteps with { TrainOnAnswers = true },
    };

    /// <summary>Gets rejection sampling fine-tuning (arXiv 2308.01825) in rounds.</summary>
    public static Recipe RejectionSampling => new()
    {
        Name = "rejection-sampling", Rows = "questions, worked solutions as answers",
        What = "likelihood of the solutions and of right responses that the model draws, four to a question in each of five rounds",
        Objective = new LikelihoodObjective(), Training = new() { LearningRate = Rate, TrainOnAnswers = true },
        Rounds = new() { Rounds = 5, StepsPerRound = 10, SamplesPerQuestion = 4, Keep = KeptResponses.Right, KeepEarlier = true },
    };

    /// <summary>Gets all of them.</summary>
    public static IReadOnlyList<Recipe> All => [Published, JudgedResponses, JudgedSolutions, RejectionSampling];

    private static FineTuneOptions FiftySteps => new() { Epochs = 50, MaximumSteps = 50, LearningRate = Rate };

    /// <summary>Finds a recipe.</summary>
    /// <param name="name">Its name.</param>
    /// <exception cref="NlftException">There is none of that name.</exception>
    public static Recipe Of(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return All.FirstOrDefault(recipe => recipe.Name == name) ?? throw new NlftException("the recipe", $"\"{name}\"",
            string.Join(", ", All.Select(recipe => recipe.Name)),
            NearestName.Find(name, All.Select(recipe => recipe.Name)) is { } near ? $"Did you mean {near}?" : "Name one of them.");
    }
}
