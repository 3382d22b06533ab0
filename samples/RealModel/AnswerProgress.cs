using Microsoft.ML.Nlft.Feedback;

namespace RealModel;

/// <summary>Prints how far the answering of questions is, after a batch about every tenth second and at the end.</summary>
/// <param name="kind">Which questions these are.</param>
/// <param name="batch">Questions that are answered together: their reports come at once.</param>
/// <param name="writer">Where to print.</param>
internal sealed class AnswerProgress(string kind, int batch, TextWriter writer) : IProgress<DataProgress>
{
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(10);
    private TimeSpan _printed;

    public void Report(DataProgress value)
    {
        var isLast = value.Done == value.Total;
        if (!isLast && (value.Done % batch != 0 || value.Elapsed - _printed < s_pause)) return;
        _printed = value.Elapsed;
        var time = isLast ? $"{value.Elapsed:m\\:ss}" : $"about {value.Remaining:m\\:ss} left";
        writer.WriteLine($"Answering ({kind}): {value.Done} of {value.Total} questions, {time}");
    }
}
