using System.Text;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>A step that splits text into the pieces that the model tokenizes one by one.</summary>
internal interface IPreTokenizer
{
    /// <summary>Splits a fragment.</summary>
    /// <param name="fragment">Text; never an added token, never empty.</param>
    /// <param name="split">Whether to split; if false, the step only rewrites (byte alphabet, metaspace).</param>
    /// <param name="pieces">Receives the pieces.</param>
    void Apply(Fragment fragment, bool split, List<Fragment> pieces);
}

/// <summary>Implements the steps that only split: Split, Digits, Punctuation, Whitespace, WhitespaceSplit.</summary>
internal sealed class SplitPreTokenizer(Splitter splitter) : IPreTokenizer
{
    public void Apply(Fragment fragment, bool split, List<Fragment> pieces)
    {
        if (split) splitter.Split(fragment, pieces);
        else pieces.Add(fragment);
    }
}

/// <summary>Implements ByteLevel: splits into GPT-2's words and maps each to the byte alphabet.</summary>
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

        var bytes = new Fragment.Builder(word);
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

/// <summary>When <see cref="MetaspacePreTokenizer"/> prepends its mark. The names are those of tokenizer.json.</summary>
internal enum PrependScheme
{
    /// <summary>Only to the text at the very start of the input.</summary>
    First,

    /// <summary>Never.</summary>
    Never,

    /// <summary>To each text between added tokens.</summary>
    Always,
}

/// <summary>Implements Metaspace: replaces spaces by a mark (SentencePiece's U+2581) and splits before each mark.</summary>
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

/// <summary>Applies pre-tokenizers in sequence, each to the pieces of the previous one.</summary>
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
        }

        pieces.AddRange(current);
    }
}
