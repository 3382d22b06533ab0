using System.Text;
using System.Text.Json;

namespace Microsoft.ML.Nlft.Grammars;

/// <summary>
/// The texts that a model may write, as a state to start from and what follows each byte. Thread-safe; it remembers what it computed, within limits.
/// </summary>
internal sealed class Grammar
{
    private const int MaximumMasks = 512;

    private readonly ExpressionSet _set = new();
    private readonly Dictionary<Expression, ulong[]> _masks = [];
    private readonly Lock _lock = new();
    private readonly Expression _start;

    /// <summary>Creates a grammar.</summary>
    /// <param name="texts">Creates the texts.</param>
    public Grammar(Func<ExpressionSet, JsonExpressions, Expression> texts) => _start = texts(_set, new JsonExpressions(_set));

    /// <summary>Creates the grammar of the values of a schema.</summary>
    public static Grammar Of(SchemaRules schema) => new((set, json) =>
        set.Sequence(json.Blank, new SchemaGrammar(schema, set, json).Value(schema.Root, SchemaRules.MaximumDepth)));

    /// <summary>Creates the grammar of the JSON values that a schema allows.</summary>
    /// <param name="schema">The schema; true: all values.</param>
    /// <param name="subject">The schema's name in messages.</param>
    /// <exception cref="NlftException">The schema cannot be used.</exception>
    public static Grammar OfSchema(JsonElement schema, string subject) => Of(JsonSchemaReader.Read(schema, subject));

    /// <summary>Creates the grammar of a call of one of several functions.</summary>
    /// <param name="syntax">What stands around a name and its arguments.</param>
    /// <param name="functions">Names, and schemas of the arguments.</param>
    /// <param name="otherwise">A schema of what may be written instead; null: nothing.</param>
    /// <exception cref="NlftException">A schema cannot be used.</exception>
    public static Grammar OfCall(CallSyntax syntax, IEnumerable<(string Name, JsonElement Schema)> functions, SchemaRules? otherwise)
    {
        var read = functions.Select(function => (function.Name, Schema: JsonSchemaReader.Read(function.Schema, $"tool {function.Name}"))).ToArray();
        return new((set, json) =>
        {
            var calls = read.Select(function => (Encoding.UTF8.GetBytes(JsonExpressions.Spelling(function.Name, escapes: false)), set.Sequence(
                set.Text(syntax.Between), new SchemaGrammar(function.Schema, set, json).Value(function.Schema.Root, SchemaRules.MaximumDepth),
                set.Text(syntax.After))));
            var call = set.Sequence(set.Text(syntax.Before), set.Words(new WordList(calls)));
            return otherwise is null ? call : set.Choice(call,
                set.Sequence(json.Blank, new SchemaGrammar(otherwise, set, json).Value(otherwise.Root, SchemaRules.MaximumDepth)));
        });
    }

    /// <summary>Gets how many derivatives were computed.</summary>
    public long Computed => _set.Computed;

    /// <summary>Gets how many nodes of vocabularies were visited.</summary>
    public long Visited { get; private set; }

    /// <summary>Gets the state of an empty text.</summary>
    public Expression Start => _start;

    /// <summary>Returns whether a text may go on.</summary>
    public bool Continues(Expression state) => state != _set.Empty && state != _set.Nothing;

    /// <summary>Returns the state after some bytes; null: they may not come here.</summary>
    public Expression? After(Expression state, ReadOnlySpan<byte> bytes)
    {
        lock (_lock)
        {
            foreach (var value in bytes)
            {
                state = _set.After(state, value);
                if (state == _set.Nothing) return null;
            }
            return state;
        }
    }

    /// <summary>Returns a bit per token id: whether it may come next. Do not change it.</summary>
    /// <param name="state">The state.</param>
    /// <param name="tokens">The vocabulary, the same in every call.</param>
    public ulong[] Allowed(Expression state, TokenTrie tokens)
    {
        lock (_lock)
        {
            if (_masks.TryGetValue(state, out var known)) return known;
            if (_masks.Count >= MaximumMasks) _masks.Clear();
            _set.Trim();
            var allowed = new ulong[(tokens.VocabularySize + 63) / 64];
            Visited += tokens.Collect(state, _set, allowed);
            return _masks[state] = allowed;
        }
    }
}

/// <summary>What stands around the name of a function and its arguments in a call, as ASCII.</summary>
/// <param name="Before">Before the name: up to its opening quote.</param>
/// <param name="Between">After the closing quote of the name, up to the arguments.</param>
/// <param name="After">After the arguments.</param>
internal sealed record CallSyntax(string Before, string Between, string After);
