using Microsoft.ML.Nlft.Report;

namespace Microsoft.ML.Nlft.Study;

/// <summary>Draws accuracy by number of rows as SVG: one panel per family, one line per method, whiskers for the 95 % interval.</summary>
internal sealed class StudyPlot(IReadOnlyList<StudyFamily> families, IReadOnlyList<int> sizes, Func<StudyFamily, int, Method, Estimate?> point)
{
    private const double Width = 300, Height = 200, Left = 48, Top = 30, Gap = 60;
    private const int Columns = 2;

    private static readonly IReadOnlyList<Method> s_methods = [.. Method.All.Where(method => !method.IsVariant)];

    private readonly PanelPlot _plot = new((Width, Height));

    /// <summary>Returns the SVG.</summary>
    public string Write()
    {
        var rows = (families.Count + Columns - 1) / Columns;
        var (width, height) = (Columns * (Width + Gap) + 20, rows * (Height + Gap + 10) + 40);
        _plot.Begin("Accuracy by number of rows", width, height);
        for (var i = 0; i < families.Count; i++) Panel(families[i], Left + i % Columns * (Width + Gap), Top + i / Columns * (Height + Gap + 10));
        return _plot.End([.. s_methods.Select(method => method.Name)], Left, height, spacing: 165);
    }

    private void Panel(StudyFamily family, double left, double top)
    {
        _plot.Frame(family.Name, left, top, sizes.Select(size => (X(left, size), size)), "rows");
        for (var m = 0; m < s_methods.Count; m++)
        {
            var points = sizes.Select(size => (Size: size, Found: point(family, size, s_methods[m]))).Where(pair => pair.Found is not null)
                .Select(pair => (X: X(left, pair.Size) + 3 * (m - 1.5), Estimate: pair.Found!.Value)).ToList();
            if (points.Count > 1) _plot.Line(m, points.Select(p => (p.X, _plot.Y(top, p.Estimate.Mean))));
            foreach (var (x, estimate) in points)
            {
                var (lower, mean, upper) = (_plot.Y(top, estimate.Lower), _plot.Y(top, estimate.Mean), _plot.Y(top, estimate.Upper));
                _plot.Add($"<line x1=\"{x:0.0}\" y1=\"{lower:0.0}\" x2=\"{x:0.0}\" y2=\"{upper:0.0}\" stroke=\"{PanelPlot.Colour(m)}\"/>");
                _plot.Add($"<circle cx=\"{x:0.0}\" cy=\"{mean:0.0}\" r=\"3\" fill=\"{PanelPlot.Colour(m)}\"/>");
            }
        }
    }

    /// <summary>Returns the position of a size on the logarithmic axis.</summary>
    private double X(double left, int size) =>
        sizes.Count == 1 ? left + Width / 2 : left + 20 + (Width - 40) * Math.Log((double)size / sizes[0]) / Math.Log((double)sizes[^1] / sizes[0]);
}
