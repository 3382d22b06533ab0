using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines;

/// <summary>Refuses token ids outside a model's vocabulary.</summary>
internal static class TokenCheck
{
    /// <summary>Refuses the first token id outside the vocabulary.</summary>
    /// <exception cref="NlftException">An id is outside the vocabulary; the message names its place and the range.</exception>
    public static void RequireInVocabulary(ReadOnlySpan<int> tokens, string place, ModelConfiguration model)
    {
        for (var i = 0; i < tokens.Length; i++)
        {
            if ((uint)tokens[i] >= (uint)model.VocabularySize)
            {
                throw new NlftException($"{place}, token {i + 1}", $"id {tokens[i]}", $"0 to {model.VocabularySize - 1}",
                    "Use the tokenizer that belongs to the model.");
            }
        }
    }
}
