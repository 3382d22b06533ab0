using Microsoft.ML.Nlft.Evaluation;
using Microsoft.ML.Nlft.Training;
using static System.FormattableString;

namespace WordProblems;

/// <summary>Accuracies of one model on both test sets.</summary>
internal sealed record Measurement(EvaluationResult Corrected, EvaluationResult Others);

/// <summary>Compares models: accuracy with its 95 % Wilson interval on both test sets, and training time.</summary>
internal sealed class ComparisonTable(TextWriter writer)
{
    private readonly List<(string Name, Measurement Measured, FineTuneResult? Training)> _models = [];

    public void Add(string name, Measurement measured, FineTuneResult? training) => _models.Add((name, measured, training));

    public void Write()
    {
        writer.WriteLine($"{"",-20}  {"corrected family",-26}  {"other families",-26}  training");
        foreach (var (name, measured, training) in _models)
        {
            var time = training is null ? "" : Invariant($"{training.Steps.Count} steps, {training.Steps[^1].Elapsed.TotalSeconds:0.0} s");
            writer.WriteLine($"{name,-20}  {Accuracy(measured.Corrected),-26}  {Accuracy(measured.Others),-26}  {time}");
        }

        var total = _models[0].Measured;
        writer.WriteLine($"Accuracy on {total.Corrected.Total} and {total.Others.Total} unseen problems; in brackets the 95 % interval.");
    }

    private static string Accuracy(EvaluationResult result) =>
        Invariant($"{100 * result.Accuracy,5:0.0} % [{100 * result.LowerBound:0.0} to {100 * result.UpperBound:0.0}]");
}
