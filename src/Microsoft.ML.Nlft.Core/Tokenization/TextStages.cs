using System.Buffers;
using System.Text;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>
/// Applies <c>clean_up_tokenization_spaces</c> of Hugging Face transformers: removes the space before English punctuation and contractions,
/// one rule after the other.
/// </summary>
internal sealed class CleanUpStage : DecodingStage
{
    private static readonly (string From, string To)[] Rules =
    [
        (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"),
        (" n't", "n't"), (" 'm", "'m"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
    ];

    private static readonly SearchValues<char> RuleCharacters = SearchValues.Create(" .?!,'ntmsver");

    private readonly StringBuilder _text = new();

    public override bool HoldsText => _text.Length > 0;

    /// <summary>
    /// Holds back what may still become a match. Every rule starts with a space and consists of <see cref="RuleCharacters"/>, so an incomplete
    /// match can start only at the first space after the last character of any other kind.
    /// </summary>
    public override void Append(string text)
    {
        var holds = _text.Length > 0; // from a space on, characters of the rules only
        _text.Append(text);
        if (holds && text.AsSpan().IndexOfAnyExcept(RuleCharacters) < 0) return;

        var pending = _text.ToString();
        var run = pending.AsSpan().LastIndexOfAnyExcept(RuleCharacters) + 1;
        var space = pending.AsSpan(run).IndexOf(' ');
        Emit(space < 0 ? pending.Length : run + space);
    }

    /// <summary>Applies the rules to a text.</summary>
    public static string Apply(string text) => Rules.Aggregate(text, (done, rule) => done.Replace(rule.From, rule.To, StringComparison.Ordinal));

    public override void EndToken() => Next.EndToken();

    public override void Finish()
    {
        Emit(_text.Length);
        base.Finish();
    }

    private void Emit(int length)
    {
        if (length > 0)
        {
            Next.Append(Apply(_text.ToString(0, length)));
            _text.Remove(0, length);
        }
    }
}

/// <summary>Ends the chain: collects text until it is taken.</summary>
internal sealed class TextSink : DecodingStage
{
    private readonly StringBuilder _text = new();

    public override void Append(string text) => _text.Append(text);

    public override void EndToken()
    {
    }

    public override void Finish()
    {
    }

    /// <summary>Returns the text collected since the last call.</summary>
    public string Take()
    {
        var text = _text.ToString();
        _text.Clear();
        return text;
    }
}
