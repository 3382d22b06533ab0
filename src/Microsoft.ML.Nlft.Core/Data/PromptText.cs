using System.Text;
using System.Text.RegularExpressions;

namespace Microsoft.ML.Nlft.Data;

/// <summary>A text of <see cref="PromptOptions"/> with placeholders, filled in a single pass, so that braces in a value stay unchanged.</summary>
internal sealed partial class PromptText
{
    private readonly string _text;
    private readonly Match[] _placeholders;

    /// <exception cref="NlftException">The text has a placeholder that is not one of <paramref name="names"/>, or lacks a required one.</exception>
    public PromptText(string option, string text, string[] names, params string[] required)
    {
        _text = text ?? throw Fault(option, "null", "a text", "Leave the option out to use the default.");
        _placeholders = [.. Placeholder().Matches(text).Cast<Match>()];
        var allowed = string.Join(", ", names.Select(name => $"{{{name}}}"));
        foreach (var placeholder in _placeholders)
        {
            if (!names.Contains(placeholder.Groups[1].Value))
                throw Fault(option, $"the placeholder {placeholder.Value}", allowed, "Correct its name.");
        }
        foreach (var name in required)
        {
            if (!Has(name))
                throw Fault(option, $"no {{{name}}} in \"{text}\"", $"a text with {{{name}}}", "Put the placeholder where the text belongs.");
        }
    }

    /// <summary>Tells whether the text has a placeholder.</summary>
    public bool Has(string name) => _placeholders.Any(placeholder => placeholder.Groups[1].Value == name);

    /// <summary>Returns the text with its values, and the range of every value.</summary>
    public (string Text, List<Range> Values) Fill(Func<string, string?> value)
    {
        var result = new StringBuilder(_text.Length);
        var ranges = new List<Range>();
        var next = 0;
        foreach (var placeholder in _placeholders)
        {
            result.Append(_text, next, placeholder.Index - next);
            var start = result.Length;
            result.Append(value(placeholder.Groups[1].Value));
            ranges.Add(start..result.Length);
            next = placeholder.Index + placeholder.Length;
        }
        return (result.Append(_text, next, _text.Length - next).ToString(), ranges);
    }

    [GeneratedRegex(@"\{(\w+)\}", RegexOptions.CultureInvariant)]
    private static partial Regex Placeholder();

    private static NlftException Fault(string option, string found, string expected, string remedy) =>
        new($"option PromptOptions.{option}", found, expected, remedy);
}
