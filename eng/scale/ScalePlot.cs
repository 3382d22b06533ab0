using System.Globalization;
using System.Text;

namespace Microsoft.ML.Nlft.Scale;

/// <summary>Predicted efficiency by number of processes as SVG: a panel a model and processor, a line a link.</summary>
/// <param name="columns">Names of the models.</param>
/// <param name="rows">Names of the processors.</param>
/// <param name="links">Names of the links.</param>
/// <param name="processes">Numbers of processes, each twice the one before.</param>
/// <param name="efficiency">From 0 to 1, by column, row, link and number of processes.</param>
internal sealed class ScalePlot(
    IReadOnlyList<string> columns, IReadOnlyList<string> rows, IReadOnlyList<string> links, IReadOnlyList<int> processes, Func<int, int, int, int, double> efficiency)
{
    private const double Width = 250, Height = 170, Left = 52, Top = 34, Gap = 56;

    // Okabe and Ito's colours, which people with any colour vision can tell apart.
    private static readonly string[] s_colours = ["#0072B2", "#E69F00", "#009E73", "#D55E00"];

    private readonly StringBuilder _svg = new();

    /// <summary>The whole picture.</summary>
    public string Write()
    {
        _svg.Clear();
        var (width, height) = (columns.Count * (Width + Gap) + 20, rows.Count * (Height + Gap + 16) + 50);
        Add($"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">");
        Add($"<title>Predicted efficiency by number of processes</title><rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>");
        for (var row = 0; row < rows.Count; row++)
            for (var column = 0; column < columns.Count; column++) Panel(column, row, Left + column * (Width + Gap), Top + row * (Height + Gap + 16));
        for (var i = 0; i < links.Count; i++)
        {
            Add($"<rect x=\"{Left + i * 190}\" y=\"{height - 24}\" width=\"12\" height=\"12\" fill=\"{s_colours[i]}\"/>");
            Add($"<text x=\"{Left + 17 + i * 190}\" y=\"{height - 14}\">{links[i]}</text>");
        }
        Add($"</svg>");
        return _svg.ToString();
    }

    private void Panel(int column, int row, double left, double top)
    {
        Add($"<text x=\"{left}\" y=\"{top - 8}\" font-weight=\"bold\">{columns[column]}, {rows[row]}</text>");
        for (var percent = 0; percent <= 100; percent += 25)
        {
            var y = Y(top, percent / 100.0);
            Add($"<line x1=\"{left}\" y1=\"{y:0.0}\" x2=\"{left + Width}\" y2=\"{y:0.0}\" stroke=\"#ddd\"/><text x=\"{left - 6}\" y=\"{y + 4:0.0}\" text-anchor=\"end\">{percent} %</text>");
        }
        for (var i = 0; i < processes.Count; i++) Add($"<text x=\"{X(left, i):0.0}\" y=\"{top + Height + 16}\" text-anchor=\"middle\">{processes[i]}</text>");
        Add($"<text x=\"{left + Width / 2}\" y=\"{top + Height + 32}\" text-anchor=\"middle\">processes</text>");
        for (var link = 0; link < links.Count; link++)
        {
            var points = Enumerable.Range(0, processes.Count).Select(i => string.Create(CultureInfo.InvariantCulture, $"{X(left, i):0.0},{Y(top, efficiency(column, row, link, processes[i])):0.0}"));
            Add($"<polyline fill=\"none\" stroke=\"{s_colours[link]}\" stroke-width=\"1.5\" points=\"{string.Join(' ', points)}\"/>");
        }
    }

    private double X(double left, int i) => left + 10 + (Width - 20) * i / Math.Max(1, processes.Count - 1);

    private static double Y(double top, double share) => top + Height * (1 - share);

    private void Add(FormattableString text) => _svg.Append(text.ToString(CultureInfo.InvariantCulture)).Append('\n');
}
