using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Training;

/// <summary>
/// Takes one optimizer step: computes the gradient of a window's loss, then updates the weights. The rows of a window are distributed over the
/// processes, each share goes through the engine in micro-batches, and the gradients are added up over the processes.
/// </summary>
/// <remarks>
/// The loss is a mean over the whole window, so the size of the micro-batches changes nothing beyond rounding. For each micro-batch:
/// <list type="number">
/// <item>the judge and standard contexts that the objective reads as constants are scored in one call (or taken from the cache);</item>
/// <item>the trained contexts (base, and judge if the objective trains it) go forward with dropout on;</item>
/// <item>the objective turns the scores into a loss and coefficients, which start the backward pass.</item>
/// </list>
/// A trained context's scores are those of its own forward pass, so the loss reported is the one differentiated.
/// </remarks>
internal sealed class TrainingStep(
    ICausalLanguageModel model, ITokenObjective objective, FineTuneOptions options, ConstantContexts constants, TrainingTeam team, TimeProvider time)
{
    private readonly RankSpeeds _speeds = new(team.Size);

    /// <summary>Accumulates the gradient of a window's loss, each process for its share; clears the gradient on failure.</summary>
    /// <returns>The counts; null when a number is not finite and the step must be skipped.</returns>
    public WindowMetrics? Accumulate(TrainingWindow window, CancellationToken cancellationToken)
    {
        try
        {
            return AccumulateShares(window, cancellationToken);
        }
        catch (NlftException e) when (e.NotFinite && options.SkipNonFiniteSteps)
        {
            return null;
        }
    }

    /// <summary>Updates the weights; leaves them unchanged when the step is skipped or the gradient's norm is not finite.</summary>
    public StepOutcome Apply(TrainingWindow window, WindowMetrics? metrics, double learningRate)
    {
        if (metrics is null) return new StepOutcome(window, learningRate, null, 0, null);
        var norm = model.ApplyGradients(options.Optimizer, learningRate);
        var skipped = !double.IsFinite(norm) && options.SkipNonFiniteSteps;
        return new StepOutcome(window, learningRate, skipped ? null : metrics, norm, _speeds.Slow(team.Name));
    }

    /// <summary>Refuses a step whose gradient norm is not finite, unless such steps are skipped.</summary>
    /// <exception cref="NlftException">
    /// The norm is not finite; the message names the step and its rows. The weights are those before the step.
    /// </exception>
    public static void RequireFinite(StepOutcome outcome)
    {
        if (outcome.Metrics is null || double.IsFinite(outcome.GradientNorm)) return;
        var window = outcome.Window;
        var rows = string.Join("; ", window.Rows.Select(row => window.Examples[row].Source));
        throw new NlftException($"training step {window.Step}, gradient norm of {rows}", ObjectiveInput.Show(outcome.GradientNorm), "a finite number",
            window.Remedy) { NotFinite = true };
    }

    /// <summary>Ensures that all processes have the same weights.</summary>
    public void KeepEqual() => team.KeepEqual(model);

    private WindowMetrics AccumulateShares(TrainingWindow window, CancellationToken cancellationToken)
    {
        var metrics = new WindowMetrics();
        try
        {
            var shares = WindowShares.Distribute(window.Rows, Cost, team.Size);
            var counted = metrics.Numbers.Length;
            var numbers = new double[counted + team.Size]; // what is counted, then every process's seconds
            team.RunOnAll(token =>
            {
                var start = time.GetTimestamp();
                foreach (var rows in shares[team.Rank].Chunk(options.RowsPerPass)) AddMicroBatch(window, rows, metrics, token);
                metrics.Numbers.CopyTo(numbers, 0);
                numbers[counted + team.Rank] = time.GetElapsedTime(start).TotalSeconds;
                return true;
            }, cancellationToken, numbers);
            team.SumGradients(model);
            var scoredHere = metrics.TokensScored;
            metrics.Numbers = numbers;
            constants.TokensScored += metrics.TokensScored - scoredHere; // those of the other processes
            _speeds.Add(numbers.AsSpan(counted), Array.ConvertAll(shares, rows => rows.Sum(Cost)));
            return metrics;
        }
        catch
        {
            model.ClearGradients();
            throw;
        }

        // A trained token costs a forward pass and a backward pass, which costs twice as much.
        long Cost(int row)
        {
            var judge = TrainsJudge(window.Examples[row]) ? Tokens(row, PromptContexts.Judge) : 0;
            return 3 * (Tokens(row, PromptContexts.Base) + judge) + constants.TokensToScore(row);
        }

        long Tokens(int row, PromptContexts context) => window.Examples[row].Sequence(context).Tokens.Length;
    }

    private bool TrainsJudge(EncodedExample example) => objective.TrainedContexts(example.Polarity).HasFlag(PromptContexts.Judge);

    private void AddMicroBatch(TrainingWindow window, int[] rows, WindowMetrics metrics, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var scoredBefore = constants.TokensScored;
        var scored = constants.Score(rows, cancellationToken);
        metrics.TokensScored += constants.TokensScored - scoredBefore;

        // The sequences to train: every row's base context, then the judge contexts of the rows whose objective trains them.
        var examples = Array.ConvertAll(rows, row => window.Examples[row]);
        var judged = rows.Where((_, i) => TrainsJudge(examples[i])).ToArray();
        TokenSequence[] sequences =
        [
            .. rows.Select((row, i) => Seeded(CandidateScoring.BaseSequence(objective, examples[i], scored[i].Of), window, row, PromptContexts.Base)),
            .. judged.Select(row => Seeded(window.Examples[row].Sequence(PromptContexts.Judge), window, row, PromptContexts.Judge)),
        ];
        var hiddenStates = examples.Any(example => objective.NeedsHiddenStates(example.Polarity));
        using var pass = model.Forward(sequences, hiddenStates, cancellationToken);

        var coefficients = new ReadOnlyMemory<float>[sequences.Length];
        for (var i = 0; i < rows.Length; i++)
        {
            var place = window.Place(rows[i]);
            var judgeSequence = rows.Length + Array.IndexOf(judged, rows[i]);
            var trainsJudge = judgeSequence >= rows.Length;
            var judge = trainsJudge ? pass.Scores[judgeSequence] : scored[i].Judge;
            var scores = new ExampleScores
            {
                Polarity = examples[i].Polarity,
                Base = ObjectiveInput.LogProbabilities(pass.Scores[i], $"{place}, base context", window.Remedy),
                Judge = ObjectiveInput.LogProbabilities(judge, $"{place}, judge context", window.Remedy),
                Standard = ObjectiveInput.LogProbabilities(scored[i].Standard, $"{place}, standard context", window.Remedy),
                Candidates = CandidateScoring.Read(objective, examples[i],
                    context => context == PromptContexts.Base ? pass.Scores[i] : scored[i].Of(context)),
                HiddenStates = objective.NeedsHiddenStates(examples[i].Polarity) ? pass.Scores[i].HiddenStates : default,
            };
            var result = ObjectiveInput.Evaluate(objective, examples[i], scores, place, window.Remedy);
            var weight = window.Weight(rows[i], options.Reduction);
            coefficients[i] = Scale(CandidateScoring.Coefficients(result), weight);
            if (trainsJudge) coefficients[judgeSequence] = Scale(result.JudgeCoefficients, weight);
            metrics.Add(examples[i], result, pass.Scores[i], weight);
        }

        pass.Backward(coefficients, cancellationToken);
        metrics.TokensTrained += sequences.Sum(sequence => (long)sequence.Tokens.Length);
    }

    private TokenSequence Seeded(TokenSequence sequence, TrainingWindow window, int row, PromptContexts context) =>
        sequence with { DropoutSeed = RowOrder.DropoutSeed(options.Seed, window.Epoch, row, context) };

    private static float[] Scale(double[] coefficients, double weight) => Array.ConvertAll(coefficients, c => (float)(c * weight));
}
