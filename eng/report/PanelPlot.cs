using System.Globalization;
using System.Text;

namespace Microsoft.ML.Nlft.Report;

/// <summary>Draws panels side by side as SVG, each with a percent axis, above one legend.</summary>
/// <param name="panel">The width and height of a panel.</param>
internal sealed class PanelPlot((double Width, double Height) panel)
{
    // The palette of Okabe and Ito, which is distinguishable with any colour vision.
    private static readonly string[] s_colours = ["#0072B2", "#E69F00", "#009E73", "#D55E00"];

    private readonly StringBuilder _svg = new();

    /// <summary>Returns the colour of a line.</summary>
    public static string Colour(int line) => s_colours[line];

    /// <summary>Starts the SVG.</summary>
    public void Begin(string title, double width, double height)
    {
        Add($"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">");
        Add($"<title>{title}</title><rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>");
    }

    /// <summary>Draws the frame of a panel: its name, grid lines at every quarter, the ticks and the label of the horizontal axis.</summary>
    public void Frame(string name, double left, double top, IEnumerable<(double X, int Mark)> marks, string counts)
    {
        Add($"<text x=\"{left}\" y=\"{top - 8}\" font-weight=\"bold\">{name}</text>");
        for (var percent = 0; percent <= 100; percent += 25)
        {
            var y = Y(top, percent / 100.0);
            Add($"<line x1=\"{left}\" y1=\"{y:0.0}\" x2=\"{left + panel.Width}\" y2=\"{y:0.0}\" stroke=\"#ddd\"/>");
            Add($"<text x=\"{left - 6}\" y=\"{y + 4:0.0}\" text-anchor=\"end\">{percent} %</text>");
        }
        foreach (var (x, mark) in marks) Add($"<text x=\"{x:0.0}\" y=\"{top + panel.Height + 16}\" text-anchor=\"middle\">{mark}</text>");
        Add($"<text x=\"{left + panel.Width / 2}\" y=\"{top + panel.Height + 32}\" text-anchor=\"middle\">{counts}</text>");
    }

    /// <summary>Draws a line through points.</summary>
    public void Line(int line, IEnumerable<(double X, double Y)> points)
    {
        var path = string.Join(' ', points.Select(point => string.Create(CultureInfo.InvariantCulture, $"{point.X:0.0},{point.Y:0.0}")));
        Add($"<polyline fill=\"none\" stroke=\"{Colour(line)}\" stroke-width=\"1.5\" points=\"{path}\"/>");
    }

    /// <summary>Ends the SVG with the legend.</summary>
    /// <returns>The SVG.</returns>
    public string End(IReadOnlyList<string> lines, double left, double height, int spacing)
    {
        for (var i = 0; i < lines.Count; i++)
        {
            Add($"<rect x=\"{left + i * spacing}\" y=\"{height - 24}\" width=\"12\" height=\"12\" fill=\"{Colour(i)}\"/>");
            Add($"<text x=\"{left + 17 + i * spacing}\" y=\"{height - 14}\">{lines[i]}</text>");
        }
        Add($"</svg>");
        return _svg.ToString();
    }

    /// <summary>Returns the vertical position of a share from 0 to 1.</summary>
    public double Y(double top, double share) => top + panel.Height * (1 - share);

    /// <summary>Adds an element.</summary>
    public void Add(FormattableString text) => _svg.Append(text.ToString(CultureInfo.InvariantCulture)).Append('\n');
}
