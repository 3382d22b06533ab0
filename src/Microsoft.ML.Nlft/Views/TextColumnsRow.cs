using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Views;

/// <summary>The columns of a view that was read from a data file; ML.NET reads them by reflection.</summary>
internal sealed class TextColumnsRow(JsonLinesRow row)
{
    public string Question { get; } = row.Question;

    public string Response { get; } = row.Response ?? "";

    public string Judgment { get; } = row.Judgment ?? "";

    public string Answer { get; } = row.Answer ?? "";

    public string Instruction { get; } = row.Instruction ?? "";
}
