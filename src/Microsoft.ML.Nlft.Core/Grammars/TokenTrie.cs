using System.Text.Unicode;

namespace Microsoft.ML.Nlft.Grammars;

/// <summary>
/// The tokens of a vocabulary by their bytes: nodes in the order in which a walk from the root meets them, so that one pass decides about all
/// tokens, and skips those that begin with bytes that do not fit.
/// </summary>
internal sealed class TokenTrie
{
    private readonly byte[][] _bytes;
    private readonly List<Node> _nodes = [];
    private readonly int[] _tokens; // sorted by bytes

    /// <summary>Creates the tree.</summary>
    /// <param name="bytes">The bytes of each id; empty: the id is no text.</param>
    /// <param name="subject">The tokenizer's name in messages.</param>
    /// <exception cref="NlftException">The vocabulary lacks a token for a printable ASCII character, so that it cannot write every text.</exception>
    public TokenTrie(byte[][] bytes, string subject)
    {
        var single = new bool[256];
        foreach (var token in bytes)
            if (token.Length == 1) single[token[0]] = true;
        if (Array.IndexOf(single[..0x7F], false, ' ') is var missing and >= 0)
        {
            throw new NlftException(subject, $"no token for the character \"{(char)missing}\" alone",
                "one for each printable ASCII character, so that every JSON text can be written", "Use another model, or ask without a schema.");
        }
        // Parts of characters may be begun only if every character can be completed.
        var isComplete = Enumerable.Range(0x80, 0x40).Concat(Enumerable.Range(0xC2, 0x33)).All(value => single[value]);
        _bytes = Array.ConvertAll(bytes, token => isComplete || Utf8.IsValid(token) ? token : []);
        _tokens = [.. Enumerable.Range(0, bytes.Length).Where(id => _bytes[id].Length > 0)];
        Array.Sort(_tokens, (one, other) =>
            _bytes[one].AsSpan().SequenceCompareTo(_bytes[other]) is var order and not 0 ? order : one.CompareTo(other));
        var open = new Stack<int>();
        for (var i = 0; i < _tokens.Length; i++)
        {
            var word = _bytes[_tokens[i]];
            var common = i == 0 ? 0 : word.AsSpan().CommonPrefixLength(_bytes[_tokens[i - 1]]);
            while (open.Count > common) Close(open.Pop());
            for (var at = common; at < word.Length; at++)
            {
                open.Push(_nodes.Count);
                _nodes.Add(new Node(word[at], (short)at, FirstToken: i, EndToken: i, Next: 0));
            }
            _nodes[open.Peek()] = _nodes[open.Peek()] with { EndToken = i + 1 };
        }
        while (open.Count > 0) Close(open.Pop());

        void Close(int node) => _nodes[node] = _nodes[node] with { Next = _nodes.Count };
    }

    /// <summary>Gets the number of nodes.</summary>
    public int Count => _nodes.Count;

    /// <summary>Gets the number of ids.</summary>
    public int VocabularySize => _bytes.Length;

    /// <summary>Returns the bytes of a token; empty: it is no text.</summary>
    public ReadOnlySpan<byte> BytesOf(int token) => (uint)token < (uint)_bytes.Length ? _bytes[token] : default;

    /// <summary>Collects the tokens that may come next.</summary>
    /// <param name="state">What may follow.</param>
    /// <param name="set">Computes the states in between.</param>
    /// <param name="allowed">Receives a bit per id.</param>
    /// <returns>How many nodes the walk visited.</returns>
    public int Collect(Expression state, ExpressionSet set, Span<ulong> allowed)
    {
        var (states, visited) = (new List<Expression> { state }, 0); // states by depth
        for (var i = 0; i < _nodes.Count;)
        {
            visited++;
            var node = _nodes[i];
            var after = set.After(states[node.Depth], node.Value);
            if (after == set.Nothing)
            {
                i = node.Next;
                continue;
            }
            if (states.Count == node.Depth + 1) states.Add(after);
            else states[node.Depth + 1] = after;
            for (var token = node.FirstToken; token < node.EndToken; token++) allowed[_tokens[token] >> 6] |= 1UL << (_tokens[token] & 63);
            i++;
        }
        return visited;
    }

    /// <summary>A byte of some tokens.</summary>
    /// <param name="Value">The byte.</param>
    /// <param name="Depth">The bytes before it.</param>
    /// <param name="FirstToken">The first token that ends here.</param>
    /// <param name="EndToken">The one after the last.</param>
    /// <param name="Next">The next node that is not below this one.</param>
    private readonly record struct Node(byte Value, short Depth, int FirstToken, int EndToken, int Next);
}
