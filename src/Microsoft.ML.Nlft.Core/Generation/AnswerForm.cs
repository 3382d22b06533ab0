using Microsoft.ML.Nlft.Grammars;

namespace Microsoft.ML.Nlft.Generation;

/// <summary>The form of an answer that a caller of this library needs: what it must be, and which special tokens are part of its text.</summary>
/// <param name="Key">Tells forms with a grammar apart.</param>
/// <param name="CreateGrammar">Creates the grammar of the answer; null: it is free.</param>
/// <param name="ShownTokens">Special tokens that stay in the text.</param>
internal sealed record AnswerForm(string Key, Func<Grammar>? CreateGrammar, IReadOnlySet<string> ShownTokens)
{
    /// <summary>The name of <see cref="GenerationOptions.JsonSchema"/> in messages.</summary>
    public const string SchemaOption = $"option {nameof(GenerationOptions.JsonSchema)}";
}
