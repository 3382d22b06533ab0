using Microsoft.ML.Nlft.Feedback;

namespace RealModel;

/// <summary>Prints how far the answering of questions is, about every tenth second, and the last line.</summary>
/// <param name="kind">Which questions these are.</param>
/// <param name="writer">Where to print.</param>
internal sealed class AnswerProgress(string kind, TextWriter writer) : IProgress<DataProgress>
{
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(10);
    private TimeSpan _printed;

    public void Report(DataProgress value)
    {
        if (value.Done < value.Total && value.Elapsed - _printed < s_pause) return;
        _printed = value.Elapsed;
        var time = value.Done < value.Total ? $"about {value.Remaining:m\\:ss} left" : $"{value.Elapsed:m\\:ss}";
        writer.WriteLine($"Answering ({kind}): {value.Done} of {value.Total} questions, {time}");
    }
}
