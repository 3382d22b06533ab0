using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Data;

/// <summary>The wording of the three contexts and the length limit. See NLFT-SPEC section 1.</summary>
public sealed record PromptOptions
{
    /// <summary>Most tokens of prompt and response together. Default 8192.</summary>
    public int MaximumTokens { get; init; } = 8192;
}

/// <summary>Turns rows and questions into token ids with the model folder's tokenizer and chat template.</summary>
public sealed class PromptEncoder
{
    /// <summary>Creates an encoder.</summary>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="template">The folder's chat template, or null for the plain instruction template.</param>
    /// <param name="options">Wording and limits.</param>
    /// <param name="endOfSequenceIds">End-of-sequence ids of generation_config.json and config.json.</param>
    public PromptEncoder(HuggingFaceTokenizer tokenizer, ChatTemplate? template, PromptOptions options, IReadOnlyList<int> endOfSequenceIds) =>
        throw new NotSupportedException();

    /// <summary>Ids that end a response: generation_config's and config's eos, the tokenizer's eos and the template's end of turn.</summary>
    public IReadOnlyList<int> StopIds => throw new NotSupportedException();

    /// <summary>Encodes a row in all the contexts it has.</summary>
    /// <exception cref="NlftException">The response alone is longer than the limit, or a text is missing.</exception>
    public EncodedExample Encode(TrainingExample example) => throw new NotSupportedException();

    /// <summary>Encodes a question as the prompt of the base context, ready for generation.</summary>
    public int[] EncodeQuestion(string question, string? instruction = null) => throw new NotSupportedException();
}
