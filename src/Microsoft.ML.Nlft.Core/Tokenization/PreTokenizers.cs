using System.Text;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>One step of splitting text into the pieces the model tokenizes by themselves.</summary>
internal interface IPreTokenizer
{
    /// <summary>Adds the pieces of a fragment.</summary>
    /// <param name="fragment">Text, never an added token, never empty.</param>
    /// <param name="split">Whether to split; without it only the rewriting (bytes, metaspace) is done.</param>
    /// <param name="pieces">Receives the pieces.</param>
    void Apply(Fragment fragment, bool split, List<Fragment> pieces);
}

/// <summary>Split, Digits, Punctuation, Whitespace, WhitespaceSplit: steps that only cut.</summary>
internal sealed class SplitPreTokenizer(Splitter splitter) : IPreTokenizer
{
    public void Apply(Fragment fragment, bool split, List<Fragment> pieces)
    {
        if (split) splitter.Split(fragment, pieces);
        else pieces.Add(fragment);
    }
}

/// <summary>Cuts into GPT-2's words and writes each in the byte alphabet.</summary>
internal sealed class ByteLevelPreTokenizer(bool addPrefixSpace, bool useRegex) : IPreTokenizer
{
    private static readonly Splitter Words = new(WordMatcher.Gpt2, SplitBehavior.Isolated, invert: false);

    public void Apply(Fragment fragment, bool split, List<Fragment> pieces)
    {
        if (addPrefixSpace && fragment.Text[0] != ' ') fragment = fragment.Prepend(" ");

        var words = new List<Fragment>();
        if (useRegex && split) Words.Split(fragment, words);
        else words.Add(fragment);

        foreach (var word in words) pieces.Add(ToBytes(word));
    }

    private static Fragment ToBytes(Fragment word)
    {
        if (Ascii.IsValid(word.Text))
        {
            return word.WithText(string.Create(word.Text.Length, word.Text, static (bytes, text) =>
            {
                for (var i = 0; i < bytes.Length; i++) bytes[i] = ByteAlphabet.ToCharacter((byte)text[i]);
            }));
        }

        var bytes = new Fragment.Builder(word.Text.Length);
        Span<byte> utf8 = stackalloc byte[4];
        for (var i = 0; i < word.Text.Length;)
        {
            var rune = word.RuneAt(i);
            var next = i + rune.Utf16SequenceLength;
            foreach (var b in utf8[..rune.EncodeToUtf8(utf8)]) bytes.Append(ByteAlphabet.ToCharacter(b), word.StartOf(i), word.EndOf(next - 1));

            i = next;
        }

        return bytes.Build();
    }
}

/// <summary>When <see cref="MetaspacePreTokenizer"/> puts its mark before a text: the names of tokenizer.json.</summary>
internal enum PrependScheme
{
    /// <summary>Only before the text that begins at the very start.</summary>
    First,

    /// <summary>Not at all.</summary>
    Never,

    /// <summary>Before each text between added tokens.</summary>
    Always,
}

/// <summary>Turns spaces into a mark (SentencePiece's U+2581) and cuts before each mark.</summary>
internal sealed class MetaspacePreTokenizer(char replacement, PrependScheme scheme, bool splits) : IPreTokenizer
{
    private readonly Splitter _splitter = new(new LiteralMatcher(replacement.ToString()), SplitBehavior.MergedWithNext, invert: false);

    public void Apply(Fragment fragment, bool split, List<Fragment> pieces)
    {
        var marked = fragment.Replace(new LiteralMatcher(" "), replacement.ToString());
        if (marked.Text[0] != replacement && (scheme == PrependScheme.Always || (scheme == PrependScheme.First && marked.StartOf(0) == 0)))
        {
            marked = marked.Prepend(replacement.ToString());
        }

        if (splits && split) _splitter.Split(marked, pieces);
        else pieces.Add(marked);
    }
}

/// <summary>Step after step, each on the pieces of the one before.</summary>
internal sealed class SequencePreTokenizer(IReadOnlyList<IPreTokenizer> steps) : IPreTokenizer
{
    public void Apply(Fragment fragment, bool split, List<Fragment> pieces)
    {
        List<Fragment> current = [fragment];
        foreach (var step in steps)
        {
            var next = new List<Fragment>(current.Count);
            foreach (var piece in current) step.Apply(piece, split, next);

            current = next;
            TextGrowth.Require(fragment.Text.Length, current.Sum(piece => (long)piece.Text.Length), "pre_tokenizer");
        }

        pieces.AddRange(current);
    }
}
