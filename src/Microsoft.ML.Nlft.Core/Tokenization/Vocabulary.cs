namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>Maps the tokens of a model to ids (ordinal comparison) and back.</summary>
internal sealed class Vocabulary
{
    private readonly Dictionary<string, int> _ids;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _lookup;
    private string?[] _tokens;

    public Vocabulary(int capacity)
    {
        _ids = new Dictionary<string, int>(capacity, StringComparer.Ordinal);
        _lookup = _ids.GetAlternateLookup<ReadOnlySpan<char>>();
        _tokens = new string?[capacity];
    }

    public int Count => _ids.Count;

    /// <summary>Gets one more than the largest id.</summary>
    public int Size { get; private set; }

    public IEnumerable<KeyValuePair<string, int>> Entries => _ids;

    /// <summary>Gets the id of a token, or -1.</summary>
    public int this[ReadOnlySpan<char> token] => _lookup.TryGetValue(token, out var id) ? id : -1;

    /// <summary>Gets the token of an id, or null.</summary>
    public string? this[int id] => (uint)id < (uint)_tokens.Length ? _tokens[id] : null;

    /// <summary>Adds a token; returns false if its text or id is taken.</summary>
    public bool TryAdd(string token, int id)
    {
        if (this[id] is not null || !_ids.TryAdd(token, id)) return false;

        if (id >= _tokens.Length) Array.Resize(ref _tokens, Math.Max(id + 1, _tokens.Length * 2));

        _tokens[id] = token;
        Size = Math.Max(Size, id + 1);
        return true;
    }
}
