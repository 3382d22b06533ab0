using System.Diagnostics.CodeAnalysis;
using Microsoft.ML.Nlft.Saliency;

namespace Microsoft.ML.Nlft.Training;

/// <summary>
/// Checks every number of a checkpoint against the run that is to resume from it. Its hash says that the file is as it was written, not by whom.
/// </summary>
internal static class CheckpointCheck
{
    /// <summary>Refuses a state that the run cannot have been in.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="checkpoint">The checkpoint, whose rows and options are those of the run.</param>
    /// <param name="options">The options of the run.</param>
    /// <exception cref="NlftException">A number is impossible; the message names it.</exception>
    public static void Require(string path, Checkpoint checkpoint, FineTuneOptions options)
    {
        var (state, rows) = (checkpoint.State, checkpoint.Run.Rows.Count);
        var stepsPerEpoch = ((rows - 1) / options.BatchSize) + 1;
        var total = options.TotalSteps(rows);
        Check(state.Epoch >= 0 && state.Epoch <= options.Epochs, "epoch", state.Epoch, $"0 to {options.Epochs}");
        Check(state.RowsDone >= 0 && state.RowsDone < rows && state.RowsDone % options.BatchSize == 0
            && (state.Epoch < options.Epochs || state.RowsDone == 0), "rows done", state.RowsDone,
            $"a multiple of the batch size below {rows}, 0 after the last epoch");
        var step = (state.Epoch * (long)stepsPerEpoch) + (state.RowsDone / options.BatchSize);
        Check(state.Step == step, "step", state.Step, $"{step}, by its epoch and rows");
        Check(state.Skipped >= 0 && state.Steps.Count + state.Skipped == state.Step, "skipped steps", state.Skipped, $"{step - state.Steps.Count}");
        Check(state.TokensTrained >= 0, "tokens trained", state.TokensTrained, "0 or more");
        Check(checkpoint.TokensScored >= 0, "tokens scored", checkpoint.TokensScored, "0 or more");
        var last = 0;
        foreach (var reported in state.Steps)
        {
            Check(reported.Step > last && reported.Step <= step, "reported step", reported.Step, $"{last + 1} to {step}");
            Check(reported.TotalSteps == total, "reported total", reported.TotalSteps, $"{total}");
            Check(reported.Epoch >= 0 && reported.Epoch <= options.Epochs, "reported epoch", reported.Epoch, $"0 to {options.Epochs}");
            foreach (var (name, number) in ((string, double)[])[
                ("loss", reported.Loss), ("gradient norm", reported.GradientNorm), ("learning rate", reported.LearningRate)])
            {
                Check(double.IsFinite(number), $"{name} of step {reported.Step}", number, "a finite number");
            }

            Check(reported.TokensSeen >= 0, "tokens seen", reported.TokensSeen, "0 or more");
            Check(reported.Elapsed >= TimeSpan.Zero, "elapsed time", reported.Elapsed, "0 or more");
            Check(reported.Recorded is not null && reported.Validation is not null, "report", "null", "a report");
            last = reported.Step;
        }

        foreach (var recorded in state.Pending.Concat(state.Steps.SelectMany(reported => reported.Recorded))) Require(recorded);
        foreach (var report in state.Evaluations)
        {
            Check(report.Step >= 0 && report.Step <= step, "step of an evaluation", report.Step, $"0 to {step}");
            Check(!double.IsNaN(report.Loss), "loss of an evaluation", report.Loss, "a number");
            Check(report.Answered >= 0 && (report.Correct ?? 0) >= 0 && (report.Correct ?? 0) <= report.Answered,
                "right answers", report.Correct ?? 0, $"0 to {report.Answered}");
            Check(report.Samples is not null && report.Samples.All(sample => sample is { Question: not null, Expected: not null, Answer: not null }),
                "sample answer", "null", "a question with its answers");
        }

        void Require(RecordedEpoch recorded)
        {
            Check(recorded is { Rows: not null }, "recorded rows", "null", "one entry per recorded row");
            Check(recorded.Epoch >= 0 && recorded.Epoch <= state.Epoch, "recorded epoch", recorded.Epoch, $"0 to {state.Epoch}");
            Check(recorded.Rows.Count == options.RecordedRows.Count, "recorded rows", recorded.Rows.Count, $"{options.RecordedRows.Count}");
            foreach (var row in recorded.Rows)
            {
                Check(row is { Source: not null, Tokens: not null, Base: not null, Judge: not null, Standard: not null, Saliency: not null }
                    && row.Reach is null or { Thresholds: not null, Dissimilar: not null, Similar: not null }, "recorded row", "null", "a whole row");
                var count = row.Tokens.Length;
                Check(row.Base.Length == count && row.Saliency.Length == count && (row.Judge.Length == 0 || row.Judge.Length == count)
                    && (row.Standard.Length == 0 || row.Standard.Length == count), "recorded row", $"{row.Base.Length} scores",
                    $"{count} of every kind");
            }
        }

        void Check([DoesNotReturnIf(false)] bool fits, string what, object found, string expected)
        {
            if (fits) return;
            throw new NlftException($"checkpoint {path}, {what}", FormattableString.Invariant($"{found}"), expected,
                "Use another checkpoint, or start anew without ResumeFrom.");
        }
    }
}
