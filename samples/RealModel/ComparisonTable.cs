using Microsoft.ML.Nlft.Evaluation;
using Microsoft.ML.Nlft.Training;
using static System.FormattableString;

namespace RealModel;

/// <summary>Compares models on the same test questions: accuracy, what it gained over the first model, and the training that it took.</summary>
internal sealed class ComparisonTable(TextWriter writer)
{
    private readonly List<(string Name, EvaluationResult Accuracy, FineTuneResult? Training)> _models = [];

    public void Add(string name, EvaluationResult accuracy, FineTuneResult? training = null) => _models.Add((name, accuracy, training));

    public void Write()
    {
        var (first, last) = (_models[0], _models[^1]);
        writer.WriteLine($"{"",-26}  {"right",-24}  {$"more than the {first.Name}",-30}  training");
        foreach (var (name, accuracy, training) in _models)
        {
            var gain = training is null ? "" : PairedDifference.Of(accuracy, first.Accuracy).ToString();
            writer.WriteLine($"{name,-26}  {Percent(accuracy),-24}  {gain,-30}  {Describe(training)}".TrimEnd());
        }
        foreach (var (name, accuracy, _) in _models.Skip(1).SkipLast(1))
            writer.WriteLine($"{last.Name} against {name}: {PairedDifference.Of(last.Accuracy, accuracy)}.");
        writer.WriteLine($"On {first.Accuracy.Total} unseen questions; in brackets the 95 % intervals, of differences over the same questions.");
    }

    private static string Percent(EvaluationResult result) =>
        Invariant($"{100 * result.Accuracy,5:0.0} % [{100 * result.LowerBound:0.0} to {100 * result.UpperBound:0.0}]");

    private static string Describe(FineTuneResult? training) => training is null ? ""
        : Invariant($"{training.Steps.Count} steps, {training.Steps[^1].Elapsed.TotalSeconds:0} s, best epoch {training.Best?.Epoch:0}");
}
