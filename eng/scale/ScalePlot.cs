using Microsoft.ML.Nlft.Report;

namespace Microsoft.ML.Nlft.Scale;

/// <summary>Draws the predicted efficiency by number of processes as SVG: one panel per model and processor, one line per link.</summary>
/// <param name="columns">Names of the models.</param>
/// <param name="rows">Names of the processors.</param>
/// <param name="links">Names of the links.</param>
/// <param name="processes">Numbers of processes, each twice the previous one.</param>
/// <param name="efficiency">From 0 to 1, by column, row, link and number of processes.</param>
internal sealed class ScalePlot(
    IReadOnlyList<string> columns, IReadOnlyList<string> rows, IReadOnlyList<string> links, IReadOnlyList<int> processes,
    Func<int, int, int, int, double> efficiency)
{
    private const double Width = 250, Height = 170, Left = 52, Top = 34, Gap = 56;

    private readonly PanelPlot _plot = new((Width, Height));

    /// <summary>Returns the SVG.</summary>
    public string Write()
    {
        var (width, height) = (columns.Count * (Width + Gap) + 20, rows.Count * (Height + Gap + 16) + 50);
        _plot.Begin("Predicted efficiency by number of processes", width, height);
        for (var row = 0; row < rows.Count; row++)
            for (var column = 0; column < columns.Count; column++) Panel(column, row, Left + column * (Width + Gap), Top + row * (Height + Gap + 16));
        return _plot.End(links, Left, height, spacing: 190);
    }

    private void Panel(int column, int row, double left, double top)
    {
        _plot.Frame($"{columns[column]}, {rows[row]}", left, top, processes.Select((count, i) => (X(left, i), count)), "processes");
        for (var link = 0; link < links.Count; link++)
        {
            _plot.Line(link, Enumerable.Range(0, processes.Count)
                .Select(i => (X(left, i), _plot.Y(top, efficiency(column, row, link, processes[i])))));
        }
    }

    private double X(double left, int i) => left + 10 + (Width - 20) * i / Math.Max(1, processes.Count - 1);
}
