using System.Text.Json;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Grammars;

namespace Microsoft.ML.Nlft.Generation;

/// <summary>Controls how answers are generated.</summary>
/// <remarks>
/// The settings apply in the order of transformers: penalties, temperature, top-k, top-p, min-p. The next token is then drawn from the remaining
/// ones in proportion to their probabilities. Of equally likely tokens the lowest id comes first. At temperature 0 only the penalties have an effect.
/// </remarks>
public sealed record GenerationOptions : INestedOptions
{
    /// <summary>Maximum number of new tokens, 1 or more; the model's last position may end an answer earlier. Default 512.</summary>
    public int MaximumNewTokens { get; init; } = 512;

    /// <summary>Temperature, 0 or more; 0 is greedy. Default 0.</summary>
    public double Temperature { get; init; }

    /// <summary>Keeps only the k likeliest tokens, and those as likely as the last of them, 0 or more; 0 keeps all. Default 0.</summary>
    public int TopK { get; init; }

    /// <summary>
    /// Keeps only the smallest set of likeliest tokens with at least this total probability (nucleus sampling, Holtzman et al., arXiv 1904.09751),
    /// in (0, 1]; 1 keeps all. Default 1.
    /// </summary>
    public double TopP { get; init; } = 1;

    /// <summary>
    /// Keeps only tokens whose probability is at least this fraction of the likeliest token's (Nguyen et al., arXiv 2407.01082), in [0, 1); 0 keeps
    /// all. Default 0.
    /// </summary>
    public double MinP { get; init; }

    /// <summary>
    /// Divides positive and multiplies negative logits of tokens that already occur in the prompt or the answer (Keskar et al., arXiv 1909.05858),
    /// above 0; 1 turns it off. Default 1.
    /// </summary>
    public double RepetitionPenalty { get; init; } = 1;

    /// <summary>Subtracted from a token's logit once per occurrence in the answer so far, in [-2, 2] as in OpenAI's API. Default 0.</summary>
    public double FrequencyPenalty { get; init; }

    /// <summary>Subtracted once from the logit of each token that occurs in the answer so far, in [-2, 2] as in OpenAI's API. Default 0.</summary>
    public double PresencePenalty { get; init; }

    /// <summary>Seed of the sampler. Each row of a call has its own random stream, independent of batching. Default 42.</summary>
    public int Seed { get; init; } = 42;

    /// <summary>Non-empty strings that end the answer, also across token boundaries; they are not part of its text. Default none.</summary>
    public IReadOnlyList<string> StopStrings { get; init; } = [];

    /// <summary>
    /// A JSON schema (2020-12) that the answer satisfies; <c>true</c> stands for any JSON. Default null: the answer is free text.
    /// </summary>
    /// <remarks>
    /// <para>Tokens that cannot continue a valid document are excluded before penalties and filters, and the answer ends when the document is
    /// complete, so an answer whose <see cref="GeneratedText.FinishReason"/> is Stop always satisfies the schema. Stop strings have no effect.
    /// <see cref="GeneratedText.LogProbabilities"/> remain those of the model, before tokens are excluded.</para>
    /// <para>Members come in the order of the schema. An object with <c>properties</c> and without <c>additionalProperties</c> gets no others. A
    /// keyword that would change what is valid and is not supported is refused; docs/chat.md lists the supported ones.</para>
    /// </remarks>
    public JsonElement? JsonSchema { get; init; }

    /// <summary>The form of the answer where it is neither free text nor <see cref="JsonSchema"/>; null: it is.</summary>
    internal AnswerForm? Form { get; init; }

    /// <summary>Whether to fill <see cref="GeneratedText.LogProbabilities"/>. Default false.</summary>
    public bool LogProbabilities { get; init; }

    /// <summary>
    /// Number of likeliest tokens that <see cref="GeneratedText.TopLogProbabilities"/> lists per position, from 0 to 20 as in OpenAI's API.
    /// Default 0.
    /// </summary>
    public int TopLogProbabilities { get; init; }

    /// <summary>
    /// Maximum number of rows generated in one batch, 1 or more. Each row needs memory for its key/value cache; answers do not depend on the
    /// batch size. Default 16.
    /// </summary>
    public int MaximumBatchSize { get; init; } = 16;

    /// <summary>
    /// Most tokens to guess at a time where an answer repeats its prompt or itself, from 0 to 64; 0 guesses none. Guesses are checked in the pass
    /// that computes the token before them (prompt lookup decoding; prompt_lookup_num_tokens of transformers). Answers are the same to the bit: right
    /// guesses save time, wrong ones cost a little. For the managed engine, and answers that are generated one at a time. Default 0.
    /// </summary>
    public int PromptLookupTokens { get; init; }

    /// <summary>Checks that every option is within its range.</summary>
    /// <exception cref="NlftException">An option is out of range; the message names the option, its value and the range.</exception>
    public void Validate()
    {
        OptionCheck.Require(MaximumNewTokens >= 1, nameof(MaximumNewTokens), MaximumNewTokens, "1 or more",
            "Set the longest answer you want, for example 512.");
        OptionCheck.Require(double.IsFinite(Temperature) && Temperature >= 0, nameof(Temperature), Temperature, "a finite number, 0 or more",
            "Use 0 for the most likely answer, or about 0.3 to 1 for varied ones.");
        OptionCheck.Require(TopK >= 0, nameof(TopK), TopK, "0 or more", "Use 0 to keep all tokens.");
        OptionCheck.Require(TopP is > 0 and <= 1, nameof(TopP), TopP, "a probability above 0, at most 1", "Use 1 to keep all tokens.");
        OptionCheck.Require(MinP is >= 0 and < 1, nameof(MinP), MinP, "a share in [0, 1)", "Use 0 to keep all tokens.");
        OptionCheck.Require(double.IsFinite(RepetitionPenalty) && RepetitionPenalty > 0, nameof(RepetitionPenalty), RepetitionPenalty,
            "a finite number above 0", "Use 1 to turn the penalty off, or about 1.1 to discourage repetition.");
        RequirePenalty(nameof(FrequencyPenalty), FrequencyPenalty);
        RequirePenalty(nameof(PresencePenalty), PresencePenalty);
        OptionCheck.Require(StopStrings is not null, nameof(StopStrings), StopStrings, "a list of strings", "Leave it out for none.");
        OptionCheck.Require(!StopStrings!.Any(string.IsNullOrEmpty), nameof(StopStrings), "", "texts of one character or more",
            "Remove the empty text: it would end every answer at once.");
        OptionCheck.Require(TopLogProbabilities is >= 0 and <= 20, nameof(TopLogProbabilities), TopLogProbabilities, "0 to 20", "Use 0 for none.");
        if (JsonSchema is { } schema) Grammar.OfSchema(schema, AnswerForm.SchemaOption);
        OptionCheck.Require(PromptLookupTokens is >= 0 and <= 64, nameof(PromptLookupTokens), PromptLookupTokens, "0 to 64",
            "Use 0 to guess none, or about 10 for answers that quote their prompt.");
        OptionCheck.Require(MaximumBatchSize >= 1, nameof(MaximumBatchSize), MaximumBatchSize, "1 or more", "Use 1 to generate row by row.");

        static void RequirePenalty(string option, double value) =>
            OptionCheck.Require(value is >= -2 and <= 2, option, value, "a number from -2 to 2", "Use 0 to turn the penalty off.");
    }
}
