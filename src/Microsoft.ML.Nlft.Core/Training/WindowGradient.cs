using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Training;

/// <summary>
/// The gradient of one window's loss: its rows dealt to the processes, each share through the engine in micro-batches, the gradients added up over the processes.
/// </summary>
internal sealed class WindowGradient(
    ICausalLanguageModel model, ITokenObjective objective, FineTuneOptions options, int microBatchSize, ConstantContexts constants, TrainingTeam team, TimeProvider time)
{
    private readonly RankSpeeds _speeds = new(team.Size);

    /// <summary>The process that keeps the others waiting, in words; null: none does.</summary>
    public string? SlowProcess => _speeds.Slow(team.Name);

    /// <summary>Adds up the gradient of a window's loss, each process of its share; when that fails half-way, nothing of it remains.</summary>
    public WindowMetrics Accumulate(TrainingWindow window, CancellationToken cancellationToken)
    {
        var metrics = new WindowMetrics();
        try
        {
            var shares = WindowShares.Deal(window.Rows, Cost, team.Size);
            var counted = metrics.Numbers.Length;
            var numbers = new double[counted + team.Size]; // what is counted, then every process's seconds
            team.Together(token =>
            {
                var start = time.GetTimestamp();
                foreach (var rows in shares[team.Rank].Chunk(microBatchSize)) AddMicroBatch(window, rows, metrics, token);
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

        // A trained token goes forward and, at twice the price, backward.
        long Cost(int row) => 3 * (Tokens(row, PromptContexts.Base) + (TrainsJudge(window.Examples[row]) ? Tokens(row, PromptContexts.Judge) : 0)) + constants.TokensToScore(row);

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
            [.. rows.Select(row => Sequence(window, row, PromptContexts.Base)), .. judged.Select(row => Sequence(window, row, PromptContexts.Judge))];
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
                HiddenStates = objective.NeedsHiddenStates(examples[i].Polarity) ? pass.Scores[i].HiddenStates : default,
            };
            var result = ObjectiveInput.Evaluate(objective, examples[i], scores, place, window.Remedy);
            var weight = Weight(window, examples[i]);
            coefficients[i] = Scale(result.Coefficients, weight);
            if (trainsJudge) coefficients[judgeSequence] = Scale(result.JudgeCoefficients, weight);
            metrics.Add(result, pass.Scores[i], weight);
        }

        pass.Backward(coefficients, cancellationToken);
        metrics.TokensTrained += sequences.Sum(sequence => (long)sequence.Tokens.Length);
    }

    private TokenSequence Sequence(TrainingWindow window, int row, PromptContexts context) =>
        window.Examples[row].Sequence(context) with { DropoutSeed = RowOrder.DropoutSeed(options.Seed, window.Epoch, row, context) };

    /// <summary>An example's share of its window's loss; the shares of a window add up to 1 whatever the micro-batches.</summary>
    private double Weight(TrainingWindow window, EncodedExample example) => options.Reduction switch
    {
        LossReduction.TokenMean => example.Response.Length / (double)window.Rows.Sum(row => (long)window.Examples[row].Response.Length),
        _ => 1.0 / window.Rows.Length,
    };

    private static float[] Scale(double[] coefficients, double weight) => Array.ConvertAll(coefficients, c => (float)(c * weight));
}
