using System.Globalization;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Feedback;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.TinyModel.Problems;

namespace Microsoft.ML.Nlft.Study;

/// <summary>The rows and tests of a family: responses of the base model, and problems outside them and the pretraining.</summary>
internal sealed class StudyData
{
    private const int TestProblems = 100, TrainingProblems = 200, SamplesPerQuestion = 4, MasteredProblems = 10, Seed = 4711;

    private readonly IReadOnlyList<DataRow> _pool, _kept;
    private readonly Dictionary<string, WordProblem> _problems;
    private readonly IReadOnlyList<WordProblem> _mastered;

    private StudyData(
        IReadOnlyList<WordProblem> problems, IReadOnlyList<DataRow> pool, IReadOnlyList<DataRow> kept, IReadOnlyList<WordProblem> test,
        IReadOnlyList<WordProblem> mastered) =>
        (_problems, _pool, _kept, Test, _mastered) = (problems.ToDictionary(problem => problem.Question), pool, kept, test, mastered);

    /// <summary>The test problems.</summary>
    public IReadOnlyList<WordProblem> Test { get; }

    /// <summary>The numbers of correct and incorrect responses to draw from.</summary>
    public (int Correct, int Incorrect) Pool => (_pool.Count(row => row.Polarity == Polarity.Correct),
        _pool.Count(row => row.Polarity == Polarity.Incorrect));

    /// <summary>Draws the problems, samples responses of the base model at temperature 1 and judges them.</summary>
    /// <param name="family">The family.</param>
    /// <param name="model">The base model.</param>
    /// <param name="seen">The questions of the pretraining.</param>
    /// <param name="journal">The journal of the responses.</param>
    /// <param name="heldOut">Whether rows are held out: then the kinds that the model must keep need responses as well.</param>
    /// <param name="cancellationToken">Cancels the generation.</param>
    public static async Task<StudyData> MakeAsync(StudyFamily family, LocalModel model, IReadOnlySet<string> seen, string journal, bool heldOut,
        CancellationToken cancellationToken)
    {
        var (training, test, kept) = Draw(family, seen);
        if (!heldOut) kept = [];
        var pool = await RespondAsync(family, training, model, journal, cancellationToken);
        return new StudyData([.. training, .. kept], pool,
            await RespondAsync(family, kept, model, Path.ChangeExtension(journal, ".kept.jsonl"), cancellationToken), test,
            [.. MasteredFamilies.All.SelectMany(kind => new ProblemGenerator(Seed, seen).UpTo(MasteredProblems, kind))]);
    }

    private static async Task<List<DataRow>> RespondAsync(
        StudyFamily family, IReadOnlyList<WordProblem> problems, LocalModel model, string journal, CancellationToken cancellationToken)
    {
        var pool = new List<DataRow>();
        if (problems.Count == 0) return pool;
        var byQuestion = problems.ToDictionary(problem => problem.Question);
        var options = new ResponseOptions
        {
            SamplesPerQuestion = SamplesPerQuestion,
            Generation = new() { Temperature = 1, MaximumNewTokens = 160, MaximumBatchSize = 100, Seed = Seed },
            Journal = journal,
        };
        var random = new Random(Seed);
        var questions = problems.Select((problem, i) => new DataRow
        {
            Question = problem.Question,
            Answer = Text(problem.Answer),
            Source = $"problem {i} of {family.Name}",
        });
        await foreach (var response in ResponseGenerator.GenerateAsync(model, questions.ToAsyncEnumerable(), options, cancellationToken))
        {
            if (string.IsNullOrWhiteSpace(response.Row.Response)) continue;
            var verdict = await new RuleBasedJudge().JudgeAsync(response.Row, cancellationToken);
            // A wrong step is named as a person would; where the steps cannot be read, the rule's words stand.
            var named = verdict.Kind == VerdictKind.Incorrect
                && SolutionReader.Read(byQuestion[response.Row.Question], response.Row.Response!) is { Faults.Count: > 0 } solution
                ? JudgmentWriter.Write(solution, random) : verdict.Judgment;
            pool.Add(response.Row with { Judgment = named });
        }
        return pool;
    }

    /// <summary>Draws the rows of a mix; null when there are too few of a kind.</summary>
    public IReadOnlyList<StudyRow>? Rows(Mix mix, int count, int seed)
    {
        try
        {
            var rows = mix switch
            {
                Mix.AllWrong => RowSelection.WithRatio(_pool, count, ResponseRatio.AllIncorrect, seed),
                Mix.AllCorrect => RowSelection.WithRatio(_pool, count, ResponseRatio.AllCorrect, seed),
                _ => RowSelection.First(_pool, count, seed),
            };
            return [.. rows.Select(row => new StudyRow(row.ToExample(), _problems[row.Question].Solve().Text))];
        }
        catch (NlftException)
        {
            return null;
        }
    }

    /// <summary>
    /// Draws rows to hold out, a response to each of some questions that other rows do not ask, of every kind that the tests ask.
    /// </summary>
    public IReadOnlyList<TrainingExample> HeldOut(IReadOnlyList<TrainingExample> others, int count, int seed)
    {
        var asked = others.Select(row => row.Question).ToHashSet();
        return [.. From(_pool, _kept.Count == 0 ? count : count / 2), .. From(_kept, count / 2)];

        IEnumerable<TrainingExample> From(IReadOnlyList<DataRow> rows, int most) => rows.Count == 0 ? []
            : RowSelection.First(rows, rows.Count, seed).Where(row => !asked.Contains(row.Question)).DistinctBy(row => row.Question).Take(most)
                .Select(row => row.ToExample());
    }

    /// <summary>Returns how many test problems a model answers correctly, and its first wrong answer with the question.</summary>
    public (int Right, string? FirstWrong) TestModel(LocalModel model, CancellationToken cancellationToken)
    {
        var answers = model.Answer([.. Test.Select(problem => problem.Question)],
            new GenerationOptions { MaximumNewTokens = 160, MaximumBatchSize = Test.Count }, cancellationToken);
        var wrong = Test.Zip(answers).Where(pair => Evaluation.ExactMatchEvaluator.Compare(pair.Second.Text,
            Text(pair.First.Answer)).Outcome != Evaluation.AnswerOutcome.Correct).ToList();
        return (Test.Count - wrong.Count, wrong.Count == 0 ? null : $"{wrong[0].First.Question}\n{wrong[0].Second.Text}");
    }

    /// <summary>Judges new responses to the questions of the rows as the rows were judged.</summary>
    public ProblemJudge Judge(int seed) => new(_problems, seed);

    /// <summary>Returns how many problems of the kinds that the base model masters a model answers correctly.</summary>
    public (int Right, int Total) TestMastered(LocalModel model, CancellationToken cancellationToken)
    {
        var answers = model.Answer([.. _mastered.Select(problem => problem.Question)],
            new GenerationOptions { MaximumNewTokens = 160, MaximumBatchSize = _mastered.Count }, cancellationToken);
        return (_mastered.Zip(answers).Count(pair => Evaluation.ExactMatchEvaluator.Compare(pair.Second.Text, Text(pair.First.Answer)).Outcome
            == Evaluation.AnswerOutcome.Correct), _mastered.Count);
    }

    /// <summary>
    /// Draws the test problems first. A family with few problems uses a third of them for the test, and fewer questions. Kept are problems to hold
    /// out, of the kinds that the model must keep.
    /// </summary>
    private static (IReadOnlyList<WordProblem> Training, IReadOnlyList<WordProblem> Test, IReadOnlyList<WordProblem> Kept) Draw(
        StudyFamily family, IReadOnlySet<string> seen)
    {
        var generator = new ProblemGenerator(Seed, seen);
        if (family.Problems.Count > 1)
        {
            // Kinds with few problems may run out: the other kinds fill up.
            var each = (TestProblems + TrainingProblems) / family.Problems.Count + 1;
            var drawn = family.Problems.SelectMany(kind => generator.UpTo(each, kind)).ToArray();
            new Random(Seed).Shuffle(drawn);
            var (rows, tests) = Split(drawn);
            return (rows, tests, []);
        }
        var (training, test) = Split(generator.UpTo(TestProblems + TrainingProblems, family.Problems[0]));
        if (family.Kept is not { Count: > 0 } kept) return (training, test, []);
        var half = test.Count / 2;
        IReadOnlyList<WordProblem> Kept() => [.. kept.SelectMany(kind => generator.UpTo(half / kept.Count, kind))];
        return (training, [.. test.Take(half), .. Kept()], Kept());
    }

    private static (IReadOnlyList<WordProblem>, IReadOnlyList<WordProblem>) Split(IReadOnlyList<WordProblem> problems)
    {
        var test = Math.Min(TestProblems, problems.Count / 3);
        return ([.. problems.Skip(test).Take(TrainingProblems)], [.. problems.Take(test)]);
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
