using Microsoft.ML.Nlft.Grammars;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Generation;

/// <summary>
/// Keeps the grammars of the last answers with what they computed, and the tokenizer's tokens by their bytes, for the next answers. Thread-safe.
/// </summary>
internal sealed class GrammarCache(HuggingFaceTokenizer tokenizer)
{
    private const int MaximumGrammars = 8;

    private static readonly IReadOnlySet<string> s_none = new HashSet<string>();

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Grammar> _grammars = new(StringComparer.Ordinal);
    private readonly Dictionary<string, TokenTrie> _tries = new(StringComparer.Ordinal); // by the special tokens that are shown

    /// <summary>Starts the text of an answer; null: the answer is free.</summary>
    /// <exception cref="NlftException">The schema, or the vocabulary for any schema, cannot be used.</exception>
    public GrammarText? TextOf(GenerationOptions options)
    {
        var schema = options.JsonSchema;
        var (key, create) = options.Form is { CreateGrammar: { } ofForm } form ? (form.Key, ofForm)
            : schema is { } given ? (given.GetRawText(), () => Grammar.OfSchema(given, AnswerForm.SchemaOption)) : ("", (Func<Grammar>?)null);
        if (create is null) return null;
        var shown = options.Form?.ShownTokens ?? s_none;
        lock (_lock)
        {
            var names = string.Join('\n', shown.Order(StringComparer.Ordinal));
            if (!_tries.TryGetValue(names, out var trie))
                _tries[names] = trie = new TokenTrie(TokenBytes.Of(tokenizer, shown), $"the tokenizer of {tokenizer.Folder}");
            key = $"{names}\n\n{key}";
            if (!_grammars.TryGetValue(key, out var grammar))
            {
                if (_grammars.Count == MaximumGrammars) _grammars.Clear();
                _grammars[key] = grammar = create();
            }
            return new GrammarText(grammar, trie);
        }
    }
}
