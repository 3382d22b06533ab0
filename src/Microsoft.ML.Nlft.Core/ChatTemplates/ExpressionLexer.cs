using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>Tokenizes the names, literals and operators inside a tag.</summary>
internal sealed partial class ExpressionLexer(string source, int position)
{
    private static readonly string[] Operators =
        ["//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";"];

    private readonly Stack<char> _brackets = [];

    /// <summary>Gets the offset of the next character.</summary>
    public int Position { get; private set; } = position;

    /// <summary>Gets whether a bracket is open, so that <c>}}</c> is part of the expression.</summary>
    public bool InBrackets => _brackets.Count > 0;

    [GeneratedRegex(
        @"\G(?<!\.)[0-9]+(?:_[0-9]+)*(?:(?:\.[0-9]+(?:_[0-9]+)*)?e[+-]?[0-9]+(?:_[0-9]+)*|\.[0-9]+(?:_[0-9]+)*)",
        RegexOptions.IgnoreCase)]
    private static partial Regex Float { get; }

    [GeneratedRegex(
        @"\G(?:0b(?<b>(?:_?[01])+)|0o(?<o>(?:_?[0-7])+)|0x(?<x>(?:_?[0-9a-f])+)|(?<d>[1-9](?:_?[0-9])*|0(?:_?0)*))",
        RegexOptions.IgnoreCase)]
    private static partial Regex Integer { get; }

    [GeneratedRegex(@"\G[\p{L}\p{Nl}_][\p{L}\p{Nl}\p{Mn}\p{Mc}\p{Nd}\p{Pc}]*")]
    private static partial Regex Name { get; }

    public void SkipSpace()
    {
        while (Position < source.Length && PythonText.IsSpace(source[Position])) Position++;
    }

    /// <summary>Reads the token at <see cref="Position"/>, which must not be the end.</summary>
    public TemplateToken Read()
    {
        var start = Position;
        if (source[start] is '\'' or '"') return ReadString(start);
        if (char.IsAsciiDigit(source[start])) return ReadNumber(start);
        if (Name.Match(source, start) is { Success: true } name)
        {
            Position += name.Length;
            return new(TokenKind.Name, name.Value, start);
        }

        foreach (var candidate in Operators)
        {
            if (string.CompareOrdinal(source, start, candidate, 0, candidate.Length) != 0) continue;
            Position += candidate.Length;
            Balance(candidate, start);
            return new(TokenKind.Operator, candidate, start);
        }

        var rune = Rune.TryGetRuneAt(source, start, out var r) ? r.ToString() : $"\\u{(int)source[start]:x4}";
        throw new TemplateError($"the character '{rune}'", "a name, a literal or an operator", start);
    }

    private void Balance(string text, int at)
    {
        if (text is "(" or "[" or "{")
        {
            _brackets.Push(text[0] switch { '(' => ')', '[' => ']', _ => '}' });
        }
        else if (text is ")" or "]" or "}")
        {
            if (!_brackets.TryPop(out var wanted)) throw new TemplateError($"'{text}'", "an opening bracket before it", at);
            if (wanted != text[0]) throw new TemplateError($"'{text}'", $"'{wanted}'", at);
        }
    }

    private TemplateToken ReadNumber(int start)
    {
        if (Float.Match(source, start) is { Success: true } real)
        {
            Position += real.Length;
            var value = double.Parse(real.Value.Replace("_", ""), NumberStyles.Float, CultureInfo.InvariantCulture);
            return new(TokenKind.Number, real.Value, start, value);
        }

        var match = Integer.Match(source, start);
        Position += match.Length;
        try
        {
            return new(TokenKind.Number, match.Value, start, Parse(match));
        }
        catch (OverflowException)
        {
            throw new TemplateError($"the integer {match.Value}", "an integer of at most 64 bits", start);
        }

        static long Parse(Match match)
        {
            foreach (var (group, radix) in (ReadOnlySpan<(string, int)>)[("b", 2), ("o", 8), ("x", 16)])
            {
                if (match.Groups[group].Success) return checked((long)Convert.ToUInt64(match.Groups[group].Value.Replace("_", ""), radix));
            }

            return long.Parse(match.Value.Replace("_", ""), CultureInfo.InvariantCulture);
        }
    }

    private TemplateToken ReadString(int start)
    {
        var quote = source[start];
        for (var i = start + 1; i < source.Length; i++)
        {
            if (source[i] == '\\')
            {
                i++;
            }
            else if (source[i] == quote)
            {
                Position = i + 1;
                return new(TokenKind.String, Unescape(source.AsSpan(start + 1, i - start - 1), start + 1), start);
            }
        }

        throw new TemplateError("a string that does not end", quote.ToString(), start);
    }

    /// <summary>Replaces Python's escapes. An unknown escape stays unchanged.</summary>
    private static string Unescape(ReadOnlySpan<char> text, int start)
    {
        if (!text.Contains('\\')) return text.ToString();
        var result = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\')
            {
                result.Append(text[i]);
                continue;
            }

            var c = text[++i];
            switch (c)
            {
                case '\n': break;
                case '\\' or '\'' or '"': result.Append(c); break;
                case 'a': result.Append('\a'); break;
                case 'b': result.Append('\b'); break;
                case 'f': result.Append('\f'); break;
                case 'n': result.Append('\n'); break;
                case 'r': result.Append('\r'); break;
                case 't': result.Append('\t'); break;
                case 'v': result.Append('\v'); break;
                case 'x': AppendHex(text, ref i, 2); break;
                case 'u': AppendHex(text, ref i, 4); break;
                case 'U': AppendHex(text, ref i, 8); break;
                case 'N': throw new TemplateError("the escape \\N", "another way to write the character", start + i - 1);
                case >= '0' and <= '7':
                    var code = 0;
                    var last = Math.Min(i + 3, text.Length);
                    for (; i < last && text[i] is >= '0' and <= '7'; i++) code = (code * 8) + (text[i] - '0');
                    i--;
                    result.Append((char)code);
                    break;
                default: result.Append('\\').Append(c); break;
            }
        }

        return result.ToString();

        void AppendHex(ReadOnlySpan<char> span, ref int i, int digits)
        {
            if (i + digits >= span.Length ||
                !uint.TryParse(span.Slice(i + 1, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code) ||
                code > 0x10FFFF)
            {
                throw new TemplateError($"a broken escape \\{span[i]}", $"{digits} hexadecimal digits of a character", start + i - 1);
            }

            result.Append(code > 0xFFFF ? char.ConvertFromUtf32((int)code) : ((char)code).ToString());
            i += digits;
        }
    }
}
