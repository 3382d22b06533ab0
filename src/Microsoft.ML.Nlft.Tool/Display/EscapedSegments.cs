using Spectre.Console.Rendering;

namespace Microsoft.ML.Nlft.Tool.Display;

/// <summary>Escapes the texts of tables and bars as <see cref="EscapedWriter"/> does, before the terminal's own commands are added.</summary>
internal sealed class EscapedSegments : IRenderHook
{
    public IEnumerable<IRenderable> Process(RenderOptions options, IEnumerable<IRenderable> renderables) =>
        renderables.Select(renderable => new Escaped(renderable));

    private sealed class Escaped(IRenderable inner) : IRenderable
    {
        public Measurement Measure(RenderOptions options, int maxWidth) => inner.Measure(options, maxWidth);

        public IEnumerable<Segment> Render(RenderOptions options, int maxWidth) => inner.Render(options, maxWidth).Select(segment =>
            segment.IsControlCode || segment.IsLineBreak ? segment : new Segment(EscapedWriter.Escape(segment.Text), segment.Style));
    }
}
