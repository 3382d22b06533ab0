using System.Runtime.InteropServices;

namespace Microsoft.ML.Nlft.Grammars;

/// <summary>
/// Creates expressions, equal ones once, and computes their derivatives. What it remembers is bounded: beyond a limit it forgets, which costs time
/// only. Not thread-safe.
/// </summary>
internal sealed class ExpressionSet
{
    /// <summary>The maximum of <see cref="Repetition"/> without a limit.</summary>
    public const int Unlimited = int.MaxValue;

    private const int MaximumExpressions = 1 << 18, MaximumTables = 1 << 12; // about 30 MB, and 2 KB each

    private readonly Dictionary<ByteSet, Expression> _bytes = [];
    private readonly Dictionary<(int, int), Expression> _sequences = [], _differences = [];
    private readonly Dictionary<string, Expression> _choices = [];
    private readonly Dictionary<(int, int, int), Expression> _repetitions = [];
    private readonly Dictionary<(WordList, int, int, int), Expression> _words = [];
    private readonly Dictionary<(object, int, int), Expression> _delayed = [];
    private readonly List<Expression> _withTables = [];
    private int _count;

    public ExpressionSet() => (Nothing, Empty) = (new Nothing(_count++), new Empty(_count++));

    /// <summary>No text at all.</summary>
    public Expression Nothing { get; }

    /// <summary>The empty text.</summary>
    public Expression Empty { get; }

    /// <summary>Gets how many derivatives were computed that were not known.</summary>
    public long Computed { get; private set; }

    /// <summary>One byte of a set.</summary>
    public Expression Bytes(ByteSet bytes) =>
        _bytes.TryGetValue(bytes, out var known) ? known : _bytes[bytes] = new AnyByte(_count++, bytes);

    /// <summary>A text of ASCII characters.</summary>
    public Expression Text(string ascii) =>
        ascii.Reverse().Aggregate(Empty, (tail, character) => Sequence(Bytes(ByteSet.Range(character, character)), tail));

    /// <summary>Several expressions, one after the other.</summary>
    public Expression Sequence(params ReadOnlySpan<Expression> parts)
    {
        var all = Empty;
        for (var i = parts.Length - 1; i >= 0; i--) all = Sequence(parts[i], all);
        return all;
    }

    private Expression Sequence(Expression head, Expression tail)
    {
        if (head == Nothing || tail == Nothing) return Nothing;
        if (head == Empty) return tail;
        if (tail == Empty) return head;
        if (head is Sequence first) return Sequence(first.Head, Sequence(first.Tail, tail));
        return _sequences.TryGetValue((head.Id, tail.Id), out var known) ? known
            : _sequences[(head.Id, tail.Id)] = new Sequence(_count++, head, tail);
    }

    /// <summary>
    /// One of several expressions. Those that begin alike become one, so that ways to read a text that differ in what follows share what they have
    /// in common.
    /// </summary>
    public Expression Choice(params ReadOnlySpan<Expression> options)
    {
        var tails = new SortedDictionary<int, (Expression Head, List<Expression> Tails)>();
        foreach (var option in options) Add(option);
        Expression[] joined = [.. tails.Values.Select(group => group.Tails.Count == 1 ? Sequence(group.Head, group.Tails[0])
            : Sequence(group.Head, Choice([.. group.Tails])))];
        if (joined.Length < 2) return joined.Length == 0 ? Nothing : joined[0];
        int[] ids = [.. joined.Select(option => option.Id)];
        var key = new string(MemoryMarshal.Cast<int, char>(ids));
        return _choices.TryGetValue(key, out var known) ? known : _choices[key] = new Choice(_count++, joined);

        void Add(Expression option)
        {
            if (option == Nothing) return;
            if (option is Choice { Options: var inner })
            {
                foreach (var one in inner) Add(one);
                return;
            }
            var (head, tail) = option is Sequence sequence ? (sequence.Head, sequence.Tail) : (option, Empty);
            if (!tails.TryGetValue(head.Id, out var group)) tails[head.Id] = group = (head, []);
            if (!group.Tails.Contains(tail)) group.Tails.Add(tail);
        }
    }

    /// <summary>An expression or the empty text.</summary>
    public Expression Optional(Expression item) => Choice(Empty, item);

    /// <summary>Some texts of an expression, one after the other.</summary>
    public Expression Repeat(Expression item, int minimum, int maximum)
    {
        if (minimum > maximum || (item == Nothing && minimum > 0)) return Nothing;
        if (maximum == 0 || item == Nothing) return Empty;
        return _repetitions.TryGetValue((item.Id, minimum, maximum), out var known) ? known
            : _repetitions[(item.Id, minimum, maximum)] = new Repetition(_count++, item, minimum, maximum);
    }

    /// <summary>The texts of <paramref name="all"/> that are not texts of <paramref name="excluded"/>; some must be left after every byte.</summary>
    public Expression Difference(Expression all, Expression excluded)
    {
        if (all == Nothing || all == excluded) return Nothing;
        if (all == Empty) return excluded.MatchesEmpty ? Nothing : Empty;
        if (excluded == Nothing) return all;
        return _differences.TryGetValue((all.Id, excluded.Id), out var known) ? known
            : _differences[(all.Id, excluded.Id)] = new Difference(_count++, all, excluded);
    }

    /// <summary>The words of a list, each with what follows it.</summary>
    public Expression Words(WordList list) => Words(list, 0, list.Items.Count, 0);

    private Expression Words(WordList list, int from, int to, int offset)
    {
        var ended = new List<Expression>();
        while (from < to && list.Items[from].Word.Length == offset) ended.Add(list.Items[from++].Then);
        if (from < to)
        {
            ended.Add(_words.TryGetValue((list, from, to, offset), out var known) ? known
                : _words[(list, from, to, offset)] = new Words(_count++, list, from, to, offset));
        }
        return Choice([.. ended]);
    }

    /// <summary>An expression that is created when it is needed.</summary>
    /// <param name="owner">With the numbers, what it stands for.</param>
    /// <param name="first">A number.</param>
    /// <param name="second">A number.</param>
    /// <param name="create">Creates the expression, which is not empty and has not the empty text.</param>
    public Expression Delay(object owner, int first, int second, Func<Expression> create) =>
        _delayed.TryGetValue((owner, first, second), out var known) ? known
            : _delayed[(owner, first, second)] = new Delayed(_count++, create);

    /// <summary>Returns what may follow after a byte; <see cref="Nothing"/>: the byte may not come here.</summary>
    public Expression After(Expression expression, byte next)
    {
        switch (expression)
        {
            case AnyByte single:
                return single.Bytes.Contains(next) ? Empty : Nothing;
            case Sequence { Head: AnyByte single } sequence:
                return single.Bytes.Contains(next) ? sequence.Tail : Nothing;
            case Words words:
                return After(words, next);
            case Grammars.Empty or Grammars.Nothing:
                return Nothing;
        }
        if (expression.Derivatives is null)
        {
            expression.Derivatives = new Expression?[256];
            _withTables.Add(expression);
        }
        return expression.Derivatives[next] ??= Compute(expression, next);
    }

    /// <summary>Forgets what is known if it has become much. Expressions that are in use stay valid.</summary>
    public void Trim()
    {
        var known = _sequences.Count + _differences.Count + _choices.Count + _repetitions.Count + _words.Count + _delayed.Count;
        if (known < MaximumExpressions && _withTables.Count < MaximumTables) return;
        foreach (var expression in _withTables) expression.Derivatives = null;
        _withTables.Clear();
        _sequences.Clear();
        _differences.Clear();
        _choices.Clear();
        _repetitions.Clear();
        _words.Clear();
        _delayed.Clear();
    }

    private Expression Compute(Expression expression, byte next)
    {
        Computed++;
        switch (expression)
        {
            case Sequence sequence:
                var first = Sequence(After(sequence.Head, next), sequence.Tail);
                return sequence.Head.MatchesEmpty ? Choice(first, After(sequence.Tail, next)) : first;
            case Choice choice:
                var options = new List<Expression>();
                foreach (var option in choice.Options)
                    if (After(option, next) is var after && after != Nothing) options.Add(after);
                return Choice([.. options]);
            case Repetition repetition:
                var rest = Repeat(repetition.Item, Math.Max(repetition.Minimum - 1, 0),
                    repetition.Maximum == Unlimited ? Unlimited : repetition.Maximum - 1);
                return Sequence(After(repetition.Item, next), rest);
            case Difference difference:
                return Difference(After(difference.All, next), After(difference.Excluded, next));
            default:
                return After(((Delayed)expression).Create(), next);
        }
    }

    private Expression After(Words words, byte next)
    {
        var items = words.List.Items;
        var from = LowerBound(next);
        var to = next == byte.MaxValue ? words.To : LowerBound(next + 1);
        return from < to ? Words(words.List, from, to, words.Offset + 1) : Nothing;

        int LowerBound(int value)
        {
            var (low, high) = (words.From, words.To);
            while (low < high)
            {
                var middle = (low + high) / 2;
                if (items[middle].Word[words.Offset] < value) low = middle + 1;
                else high = middle;
            }
            return low;
        }
    }
}
