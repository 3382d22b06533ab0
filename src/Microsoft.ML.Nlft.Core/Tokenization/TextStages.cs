using System.Buffers;
using System.Text;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>
/// <c>clean_up_tokenization_spaces</c> of Hugging Face transformers: the space before English punctuation and contractions goes,
/// pattern after pattern.
/// </summary>
internal sealed class CleanUpStage : DecodingStage
{
    private static readonly (string From, string To)[] Rules =
    [
        (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
    ];

    private static readonly SearchValues<char> InRules = SearchValues.Create(" .?!,'ntmsver");

    private readonly StringBuilder _text = new();

    public override bool HoldsText => _text.Length > 0;

    /// <summary>
    /// All rules begin with a space and consist of few characters, so nothing after the last other character, up to the next space, can
    /// be part of a match that is still to be completed.
    /// </summary>
    public override void Part(string text)
    {
        _text.Append(text);
        var pending = _text.ToString();
        var run = pending.AsSpan().LastIndexOfAnyExcept(InRules) + 1;
        var space = pending.AsSpan(run).IndexOf(' ');
        Emit(space < 0 ? pending.Length : run + space);
    }

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
            Next.Part(Rules.Aggregate(_text.ToString(0, length), (text, rule) => text.Replace(rule.From, rule.To, StringComparison.Ordinal)));
            _text.Remove(0, length);
        }
    }
}

/// <summary>The end of the chain: collects text until it is taken.</summary>
internal sealed class TextSink : DecodingStage
{
    private readonly StringBuilder _text = new();

    public override void Part(string text) => _text.Append(text);

    public override void EndToken()
    {
    }

    public override void Finish()
    {
    }

    public string Take()
    {
        var text = _text.ToString();
        _text.Clear();
        return text;
    }
}
