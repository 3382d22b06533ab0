namespace Microsoft.ML.Nlft.Grammars;

/// <summary>
/// A set of byte strings, as an expression. What may follow after a byte is again an expression, its derivative (Brzozowski, "Derivatives of
/// Regular Expressions", 1964), so an expression is also the state of a text that is being written. <see cref="ExpressionSet"/> creates them: no
/// expression but <see cref="Nothing"/> is an empty set, and equal expressions are one object.
/// </summary>
internal abstract class Expression(int id, bool matchesEmpty)
{
    /// <summary>Gets the number of the expression in its set.</summary>
    public int Id => id;

    /// <summary>Gets whether the empty string is in the set: whether a text may end here.</summary>
    public bool MatchesEmpty => matchesEmpty;

    /// <summary>The derivatives by byte, as far as they are known; null: none.</summary>
    public Expression?[]? Derivatives;
}

/// <summary>No text at all.</summary>
internal sealed class Nothing(int id) : Expression(id, matchesEmpty: false);

/// <summary>The empty text alone.</summary>
internal sealed class Empty(int id) : Expression(id, matchesEmpty: true);

/// <summary>One byte of a set.</summary>
internal sealed class AnyByte(int id, ByteSet bytes) : Expression(id, matchesEmpty: false)
{
    public ByteSet Bytes => bytes;
}

/// <summary>A text of <paramref name="head"/>, which is no sequence, and a text of <paramref name="tail"/>.</summary>
internal sealed class Sequence(int id, Expression head, Expression tail) : Expression(id, head.MatchesEmpty && tail.MatchesEmpty)
{
    public Expression Head => head;
    public Expression Tail => tail;
}

/// <summary>A text of one of several expressions.</summary>
internal sealed class Choice(int id, Expression[] options) : Expression(id, Array.Exists(options, option => option.MatchesEmpty))
{
    public Expression[] Options => options;
}

/// <summary>From <paramref name="minimum"/> to <paramref name="maximum"/> texts of an expression without the empty text.</summary>
internal sealed class Repetition(int id, Expression item, int minimum, int maximum) : Expression(id, minimum == 0)
{
    public Expression Item => item;
    public int Minimum => minimum;
    public int Maximum => maximum;
}

/// <summary>The texts of <paramref name="all"/> that are not texts of <paramref name="excluded"/>.</summary>
internal sealed class Difference(int id, Expression all, Expression excluded) : Expression(id, all.MatchesEmpty && !excluded.MatchesEmpty)
{
    public Expression All => all;
    public Expression Excluded => excluded;
}

/// <summary>What is left, from an offset on, of the words of a list that agree so far, each with what follows it.</summary>
internal sealed class Words(int id, WordList list, int from, int to, int offset) : Expression(id, matchesEmpty: false)
{
    public WordList List => list;
    public int From => from;
    public int To => to;
    public int Offset => offset;
}

/// <summary>An expression that is created when it is needed: recursion ends here. It is not empty and has not the empty text.</summary>
internal sealed class Delayed(int id, Func<Expression> create) : Expression(id, matchesEmpty: false)
{
    public Func<Expression> Create => create;
}

/// <summary>Words in the order of their bytes, each with what follows it.</summary>
internal sealed class WordList
{
    /// <summary>Creates a list.</summary>
    public WordList(IEnumerable<(byte[] Word, Expression Then)> words)
    {
        (byte[] Word, Expression Then)[] sorted = [.. words];
        Array.Sort(sorted, (one, other) => one.Word.AsSpan().SequenceCompareTo(other.Word));
        Items = sorted;
    }

    /// <summary>The words.</summary>
    public IReadOnlyList<(byte[] Word, Expression Then)> Items { get; }
}
