using System.Text.RegularExpressions;

namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>
/// Splits a template into text and tags as Jinja does with trim_blocks and lstrip_blocks: removes the newline after a statement or comment and the
/// blanks before one that starts its line. <c>-</c> inside a delimiter removes all white space on that side; <c>+</c> keeps it.
/// </summary>
internal sealed partial class TemplateLexer
{
    private readonly string _source;
    private readonly List<TemplateToken> _tokens = [];
    private int _position;
    private bool _lineStart = true;

    private TemplateLexer(string source) => _source = source;

    /// <summary>Tokenizes a template whose newlines are <c>\n</c>; the last token is <see cref="TokenKind.End"/>.</summary>
    public static List<TemplateToken> Tokenize(string source)
    {
        var lexer = new TemplateLexer(source);
        while (lexer._position < source.Length) lexer.Next();
        lexer._tokens.Add(new(TokenKind.End, "", source.Length));
        return lexer._tokens;
    }

    /// <summary>Converts newlines to <c>\n</c> and removes the last one, as Jinja does.</summary>
    public static string NormalizeNewlines(string source)
    {
        source = source.Replace("\r\n", "\n").Replace('\r', '\n');
        return source.EndsWith('\n') ? source[..^1] : source;
    }

    [GeneratedRegex(@"\G\{%([-+]?)[\s\x1c-\x1f]*raw[\s\x1c-\x1f]*(-%\}[\s\x1c-\x1f]*|%\})")]
    private static partial Regex RawBegin { get; }

    [GeneratedRegex(@"\{%([-+]?)[\s\x1c-\x1f]*endraw[\s\x1c-\x1f]*(\+%\}|-%\}[\s\x1c-\x1f]*|%\}\n?)")]
    private static partial Regex RawEnd { get; }

    [GeneratedRegex(@"\+#\}|-#\}[\s\x1c-\x1f]*|#\}\n?")]
    private static partial Regex CommentEnd { get; }

    [GeneratedRegex(@"\G(?:\+%\}|-%\}[\s\x1c-\x1f]*|%\}\n?)")]
    private static partial Regex StatementEnd { get; }

    [GeneratedRegex(@"\G(?:-\}\}[\s\x1c-\x1f]*|\}\})")]
    private static partial Regex OutputEnd { get; }

    private void Next()
    {
        var tag = NextTag(_position);
        if (tag < 0)
        {
            AddText(_position, _source.Length);
            _position = _source.Length;
            return;
        }

        var raw = RawBegin.Match(_source, tag);
        var sign = raw.Success ? raw.Groups[1].Value : SignAt(tag + 2);
        AddText(_position, StripLeft(_position, tag, sign, stripsLine: _source[tag + 1] != '{'));
        if (raw.Success) ReadRaw(raw);
        else if (_source[tag + 1] == '#') ReadComment(tag, sign.Length);
        else ReadTag(tag, sign.Length);
    }

    private int NextTag(int from)
    {
        for (var i = _source.IndexOf('{', from); i >= 0 && i + 1 < _source.Length; i = _source.IndexOf('{', i + 1))
        {
            if (_source[i + 1] is '{' or '%' or '#') return i;
        }

        return -1;
    }

    private string SignAt(int position) => position < _source.Length && _source[position] is '-' or '+' ? _source.Substring(position, 1) : "";

    /// <summary>Computes where the text from <paramref name="start"/> to a tag ends after whitespace control.</summary>
    private int StripLeft(int start, int tag, string sign, bool stripsLine)
    {
        var end = tag;
        if (sign == "-")
        {
            while (end > start && PythonText.IsSpace(_source[end - 1])) end--;
            return end;
        }

        if (sign == "+" || !stripsLine) return tag;
        while (end > start && _source[end - 1] != '\n' && PythonText.IsSpace(_source[end - 1])) end--;
        return end > start ? (_source[end - 1] == '\n' ? end : tag) : (_lineStart ? end : tag);
    }

    private void AddText(int start, int end)
    {
        if (end > start) _tokens.Add(new(TokenKind.Text, _source[start..end], start));
    }

    private void MoveTo(int position)
    {
        _position = position;
        _lineStart = _source[position - 1] == '\n';
    }

    private void ReadComment(int tag, int signLength)
    {
        var end = CommentEnd.Match(_source, Math.Min(tag + 2 + signLength, _source.Length));
        if (!end.Success) throw new TemplateError("a comment that does not end", "'#}'", tag);
        MoveTo(end.Index + end.Length);
    }

    private void ReadRaw(Match begin)
    {
        var start = begin.Index + begin.Length;
        _lineStart = _source[start - 1] == '\n';
        if (start == _source.Length) // as in Jinja
        {
            _position = start;
            return;
        }

        var end = RawEnd.Match(_source, start);
        if (!end.Success) throw new TemplateError("a raw block that does not end", "'{% endraw %}'", begin.Index);
        AddText(start, StripLeft(start, end.Index, end.Groups[1].Value, stripsLine: true));
        MoveTo(end.Index + end.Length);
    }

    private void ReadTag(int tag, int signLength)
    {
        var isOutput = _source[tag + 1] == '{';
        _tokens.Add(new(isOutput ? TokenKind.OutputBegin : TokenKind.StatementBegin, "", tag));
        var lexer = new ExpressionLexer(_source, tag + 2 + signLength);
        while (true)
        {
            lexer.SkipSpace();
            var end = (isOutput ? OutputEnd : StatementEnd).Match(_source, lexer.Position);
            if (end.Success && !lexer.InBrackets)
            {
                _tokens.Add(new(isOutput ? TokenKind.OutputEnd : TokenKind.StatementEnd, "", end.Index));
                MoveTo(end.Index + end.Length);
                return;
            }

            if (lexer.Position >= _source.Length) throw new TemplateError("a tag that does not end", isOutput ? "'}}'" : "'%}'", tag);
            _tokens.Add(lexer.Read());
        }
    }
}
