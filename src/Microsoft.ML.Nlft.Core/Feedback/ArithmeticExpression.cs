using System.Globalization;

namespace Microsoft.ML.Nlft.Feedback;

/// <summary>
/// Evaluates arithmetic as written in worked solutions: + - * / (also × and ÷), parentheses, signs, decimals, thousands commas, currency signs before
/// and percent signs after a number (50% is 0.5).
/// </summary>
/// <remarks>
/// sum = product {("+" | "-") product};  product = factor {("*" | "/") factor};  factor = ("-" | "+") factor | primary {"%"};
/// primary = number | "(" sum ")".
/// </remarks>
internal ref struct ArithmeticExpression
{
    private const int MaximumDepth = 50;
    private readonly ReadOnlySpan<char> _text;
    private int _position, _depth;

    private ArithmeticExpression(ReadOnlySpan<char> text) => _text = text;

    /// <summary>Returns the value of an expression; null when the text is none (a letter, an unclosed parenthesis) or divides by zero.</summary>
    public static double? Evaluate(ReadOnlySpan<char> text)
    {
        var parser = new ArithmeticExpression(text);
        var value = parser.Sum();
        parser.SkipBlanks();
        return parser._position == text.Length && double.IsFinite(value) ? value : null;
    }

    // Each rule returns NaN when the text does not follow it; NaN survives all arithmetic and becomes null at the end.

    private double Sum()
    {
        var value = Product();
        while (true)
        {
            if (Take('+')) value += Product();
            else if (Take('-') || Take('\u2212')) value -= Product();
            else return value;
        }
    }

    private double Product()
    {
        var value = Factor();
        while (true)
        {
            if (Take('*') || Take('\u00D7')) value *= Factor();
            else if (Take('/') || Take('\u00F7')) value /= Factor();
            else return value;
        }
    }

    private double Factor()
    {
        if (++_depth > MaximumDepth) return double.NaN;
        var value = Take('-') || Take('\u2212') ? -Factor() : Take('+') ? Factor() : Primary();
        while (Take('%')) value /= 100;
        _depth--;
        return value;
    }

    private double Primary()
    {
        if (!Take('(')) return Number();
        var value = Sum();
        return Take(')') ? value : double.NaN;
    }

    private double Number()
    {
        Take('$');
        SkipBlanks();
        var start = _position;
        while (_position < _text.Length && (char.IsAsciiDigit(_text[_position]) || _text[_position] is '.' or ',')) _position++;
        const NumberStyles styles = NumberStyles.AllowDecimalPoint | NumberStyles.AllowThousands;
        return double.TryParse(_text[start.._position], styles, CultureInfo.InvariantCulture, out var value) ? value : double.NaN;
    }

    private bool Take(char symbol)
    {
        SkipBlanks();
        if (_position >= _text.Length || _text[_position] != symbol) return false;
        _position++;
        return true;
    }

    private void SkipBlanks()
    {
        while (_position < _text.Length && char.IsWhiteSpace(_text[_position])) _position++;
    }
}
