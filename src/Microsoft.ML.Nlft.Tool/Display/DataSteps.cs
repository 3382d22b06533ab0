using Microsoft.ML.Nlft.Feedback;

namespace Microsoft.ML.Nlft.Tool.Display;

/// <summary>Reports the progress of a data set as a share and a short text.</summary>
internal sealed class DataSteps(IProgress<(double Share, string Words)> progress, string results) : IProgress<DataProgress>
{
    public void Report(DataProgress value) =>
        progress.Report((
            value.Total is > 0 and var total ? (double)value.Done / total : 0,
            $"{value.Done} of {value.Total} {results}{(value.Unparsable > 0 ? $", {value.Unparsable} unparsable" : "")}"));
}
