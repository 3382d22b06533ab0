using System.Text;

namespace Microsoft.ML.Nlft.Data;

/// <summary>
/// Splits delimited text into records (RFC 4180): records end at a line break, fields at the delimiter; a quoted field may contain both, and quotes
/// written twice. Lines that are empty or hold blanks alone are skipped.
/// </summary>
internal sealed class DelimitedText(TextReader text, string path, char delimiter)
{
    private const int End = -1;

    /// <summary>The longest field in characters: far above any text to train on, far below a file that is no table.</summary>
    private const int MostCharacters = 1 << 24;

    private readonly StringBuilder _field = new();
    private int _line = 1, _column = 1;

    /// <summary>The line being read, from 1.</summary>
    public int Line => _line;

    /// <summary>Reads all records: the fields without their quotes, and the line that the record begins on.</summary>
    /// <exception cref="NlftException">A quote is never closed, or occurs in the middle of a field.</exception>
    public IEnumerable<(IReadOnlyList<string> Fields, int Line)> Records()
    {
        while (text.Peek() != End)
        {
            var line = _line;
            var fields = new List<string>();
            do fields.Add(Field()); while (Take(delimiter));
            EndRecord();
            if (fields is not [var only] || !string.IsNullOrWhiteSpace(only)) yield return (fields, line);
        }
    }

    private string Field()
    {
        _field.Clear();
        var (line, column) = (_line, _column);
        var quoted = text.Peek() == '"';
        if (quoted) Quoted(line, column);
        var closed = _field.Length;
        var (strayQuote, blank, blankBefore) = (false, true, false);
        while (!AtEndOfField())
        {
            var letter = Next();
            blankBefore |= letter == '"' && blank && !quoted;
            blank &= char.IsWhiteSpace(letter);
            strayQuote |= quoted || letter == '"';
            Append(letter, line, column);
        }
        if (!strayQuote) return _field.ToString();
        if (blankBefore || (quoted && blank))
        {
            throw new NlftException($"{path}, line {line}, column {column}",
                $"a blank {(blankBefore ? "before the opening" : "after the closing")} quote of {Shortened(_field.ToString().Trim().Trim('"'))}",
                "quotes around whole fields, right beside the separators", "Remove the blank.");
        }
        // Something follows the closing quote, or a quote stands inside a field that does not begin with one.
        if (quoted) _field.Insert(closed, '"').Insert(0, '"');
        throw new NlftException($"{path}, line {line}, column {column}", $"a quote inside the field {Shortened(_field.ToString())}",
            "quotes around whole fields only", "Put quotes around the field and double those inside.");
    }

    private void Quoted(int line, int column)
    {
        Next();
        while (true)
        {
            if (text.Peek() == End)
            {
                throw new NlftException($"{path}, line {line}, column {column}", "a quote that is never closed", "a closing quote",
                    "Close it, or double the quotes inside the field.");
            }
            var letter = Next();
            if (letter == '"' && !Take('"')) return;
            Append(letter, line, column);
        }
    }

    private void Append(char letter, int line, int column)
    {
        if (_field.Length == MostCharacters)
        {
            throw new NlftException($"{path}, line {line}, column {column}", $"a field of more than {MostCharacters} characters", "a shorter field",
                "Close its quote, or name a file of rows.");
        }
        _field.Append(letter);
    }

    private bool AtEndOfField() => text.Peek() is var next && (next == End || next == delimiter || next is '\r' or '\n');

    private void EndRecord()
    {
        Take('\r');
        Take('\n');
    }

    private bool Take(char letter)
    {
        if (text.Peek() != letter) return false;
        Next();
        return true;
    }

    private char Next()
    {
        var letter = (char)text.Read();
        // A line ends at \n, and at a \r that no \n follows.
        if (letter == '\n' || (letter == '\r' && text.Peek() != '\n')) (_line, _column) = (_line + 1, 1);
        else _column++;
        return letter;
    }

    private static string Shortened(string field) => field.Length <= 40 ? field : field[..40] + "...";
}
