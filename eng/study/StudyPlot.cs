using System.Globalization;
using System.Text;

namespace Microsoft.ML.Nlft.Study;

/// <summary>Accuracy by number of rows as SVG: a panel a family, a line a method, whiskers for the 95 % interval.</summary>
internal sealed class StudyPlot(IReadOnlyList<StudyFamily> families, IReadOnlyList<int> sizes, Func<StudyFamily, int, Method, Estimate?> point)
{
    private const double Width = 300, Height = 200, Left = 48, Top = 30, Gap = 60;
    private const int Columns = 2;

    // Okabe and Ito's colours, which people with any colour vision can tell apart.
    private static readonly string[] s_colours = ["#0072B2", "#E69F00", "#009E73", "#D55E00"];

    private static readonly IReadOnlyList<Method> s_methods = [.. Method.All.Where(method => !method.IsVariant)];

    private readonly StringBuilder _svg = new();

    /// <summary>The whole picture.</summary>
    public string Write()
    {
        _svg.Clear();
        var rows = (families.Count + Columns - 1) / Columns;
        var (width, height) = (Columns * (Width + Gap) + 20, rows * (Height + Gap + 10) + 40);
        Add($"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">");
        Add($"<title>Accuracy by number of rows</title><rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>");
        for (var i = 0; i < families.Count; i++) Panel(families[i], Left + i % Columns * (Width + Gap), Top + i / Columns * (Height + Gap + 10));
        for (var i = 0; i < s_methods.Count; i++)
        {
            Add($"<rect x=\"{Left + i * 165}\" y=\"{height - 24}\" width=\"12\" height=\"12\" fill=\"{s_colours[i]}\"/>");
            Add($"<text x=\"{Left + 17 + i * 165}\" y=\"{height - 14}\">{s_methods[i].Name}</text>");
        }
        Add($"</svg>");
        return _svg.ToString();
    }

    private void Panel(StudyFamily family, double left, double top)
    {
        Add($"<text x=\"{left}\" y=\"{top - 8}\" font-weight=\"bold\">{family.Name}</text>");
        for (var percent = 0; percent <= 100; percent += 25)
        {
            var y = Y(top, percent / 100.0);
            Add($"<line x1=\"{left}\" y1=\"{y:0.0}\" x2=\"{left + Width}\" y2=\"{y:0.0}\" stroke=\"#ddd\"/><text x=\"{left - 6}\" y=\"{y + 4:0.0}\" text-anchor=\"end\">{percent} %</text>");
        }
        foreach (var size in sizes) Add($"<text x=\"{X(left, size):0.0}\" y=\"{top + Height + 16}\" text-anchor=\"middle\">{size}</text>");
        Add($"<text x=\"{left + Width / 2}\" y=\"{top + Height + 32}\" text-anchor=\"middle\">rows</text>");
        for (var m = 0; m < s_methods.Count; m++)
        {
            var points = sizes.Select(size => (Size: size, Found: point(family, size, s_methods[m]))).Where(pair => pair.Found is not null)
                .Select(pair => (X: X(left, pair.Size) + 3 * (m - 1.5), Estimate: pair.Found!.Value)).ToList();
            if (points.Count > 1)
                Add($"<polyline fill=\"none\" stroke=\"{s_colours[m]}\" stroke-width=\"1.5\" points=\"{string.Join(' ', points.Select(p => string.Create(CultureInfo.InvariantCulture, $"{p.X:0.0},{Y(top, p.Estimate.Mean):0.0}")))}\"/>");
            foreach (var (x, estimate) in points)
                Add($"<line x1=\"{x:0.0}\" y1=\"{Y(top, estimate.Lower):0.0}\" x2=\"{x:0.0}\" y2=\"{Y(top, estimate.Upper):0.0}\" stroke=\"{s_colours[m]}\"/><circle cx=\"{x:0.0}\" cy=\"{Y(top, estimate.Mean):0.0}\" r=\"3\" fill=\"{s_colours[m]}\"/>");
        }
    }

    /// <summary>Sizes stand on a logarithmic axis.</summary>
    private double X(double left, int size) =>
        sizes.Count == 1 ? left + Width / 2 : left + 20 + (Width - 40) * Math.Log((double)size / sizes[0]) / Math.Log((double)sizes[^1] / sizes[0]);

    private static double Y(double top, double share) => top + Height * (1 - share);

    private void Add(FormattableString text) => _svg.Append(text.ToString(CultureInfo.InvariantCulture)).Append('\n');
}
