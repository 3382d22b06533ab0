namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>
/// The added tokens of a folder, as transformers 5 puts them together: those of tokenizer.json with the flags of tokenizer_config.json, then the
/// tokens that only the configuration has. A new token takes its id from the model's vocabulary, else the next free id. Tokens with a role are
/// special.
/// </summary>
internal sealed class AddedVocabulary
{
    private readonly Vocabulary _vocabulary;
    private readonly OrderedDictionary<string, AddedToken> _tokens = new(StringComparer.Ordinal);
    private int _next;

    private AddedVocabulary(Vocabulary vocabulary) => (_vocabulary, _next) = (vocabulary, vocabulary.Count);

    /// <summary>Returns the added tokens.</summary>
    /// <param name="vocabulary">The model's tokens.</param>
    /// <param name="file">The added tokens of tokenizer.json.</param>
    /// <param name="configuration">What the files beside it say.</param>
    /// <exception cref="NlftException">A new token's id belongs to another token.</exception>
    public static IReadOnlyList<AddedToken> Of(Vocabulary vocabulary, IEnumerable<AddedToken> file, TokenizerConfiguration configuration)
    {
        var all = new AddedVocabulary(vocabulary);
        foreach (var token in file) all.Put(token);

        foreach (var token in configuration.Added) all.Add(token);

        foreach (var special in configuration.Named.Values.Concat(configuration.Extra)) all.AddSpecial(special);

        return [.. all._tokens.Values];
    }

    private void AddSpecial(string content)
    {
        if (_tokens.TryGetValue(content, out var known)) _tokens[content] = known with { IsSpecial = true };
        else Add(new AddedToken(0, content, SingleWord: false, StripLeft: false, StripRight: false, IsNormalized: false, IsSpecial: true));
    }

    private void Add(AddedToken token)
    {
        if (token.Content.Length > 0) Put(token with { Id = IdOf(token.Content) });
    }

    private void Put(AddedToken token)
    {
        _tokens[token.Content] = token;
        _next = Math.Max(_next, token.Id + 1);
    }

    private int IdOf(string content)
    {
        if (_tokens.TryGetValue(content, out var known)) return known.Id;

        if (_vocabulary[content] is var id and >= 0) return id;

        return _vocabulary[_next] is not { } other ? _next
            : throw new NlftException(
                $"the added token {content}", $"\"{other}\" at the id {_next}, the next free one by the rule of transformers", "an id of its own",
                "Name the token in added_tokens of tokenizer.json, with its id.");
    }
}
