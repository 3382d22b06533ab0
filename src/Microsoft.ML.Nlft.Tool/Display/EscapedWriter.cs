using System.Text;

namespace Microsoft.ML.Nlft.Tool.Display;

/// <summary>
/// Shows text to people: control characters and marks that change the direction of writing, which may come from a file and would command the
/// terminal, appear as <c>\x1b</c> or <c>\u202e</c>. Line ends and tabs pass.
/// </summary>
internal sealed class EscapedWriter(TextWriter writer) : TextWriter
{
    public override Encoding Encoding => writer.Encoding;

    /// <summary>Returns the text as it is shown.</summary>
    public static string Escape(string text)
    {
        if (!text.AsSpan().ContainsAnyInRange('\0', '\u001f') && !text.Any(IsEscaped)) return text;
        var shown = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            var endsLine = c == '\r' && i + 1 < text.Length && text[i + 1] == '\n';
            if (!IsEscaped(c) || endsLine) shown.Append(c);
            else shown.Append(c <= '\u00ff' ? $"\\x{(int)c:x2}" : $"\\u{(int)c:x4}");
        }

        return shown.ToString();
    }

    public override void Write(char value) => writer.Write(IsEscaped(value) ? Escape(value.ToString()) : value.ToString());

    public override void Write(string? value) => writer.Write(value is null ? null : Escape(value));

    public override void Write(char[] buffer, int index, int count) => Write(new string(buffer, index, count));

    public override void Write(ReadOnlySpan<char> buffer) => Write(buffer.ToString());

    public override void WriteLine() => writer.WriteLine();

    public override void WriteLine(string? value) => writer.WriteLine(value is null ? null : Escape(value));

    public override void Flush() => writer.Flush();

    private static bool IsEscaped(char c) => c switch
    {
        '\n' or '\t' => false,
        < ' ' or (>= '\u007f' and <= '\u009f') => true,
        (>= '\u202a' and <= '\u202e') or (>= '\u2066' and <= '\u2069') => true,
        _ => false,
    };
}
