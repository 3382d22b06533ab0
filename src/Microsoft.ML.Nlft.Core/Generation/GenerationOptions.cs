using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Generation;

/// <summary>How an answer is generated.</summary>
/// <remarks>
/// The settings apply in this order, as in transformers: penalties, temperature, top-k, top-p, min-p; what remains is drawn from in
/// proportion to its probability. Among equally likely tokens the lowest id comes first. With temperature 0 only the penalties count.
/// </remarks>
public sealed record GenerationOptions
{
    /// <summary>Most new tokens, 1 or more; fewer where the model's positions end before. Default 512.</summary>
    public int MaximumNewTokens { get; init; } = 512;

    /// <summary>Temperature, 0 or more; 0 is greedy. Default 0.</summary>
    public double Temperature { get; init; }

    /// <summary>Only the k most likely tokens; 0: all. Default 0.</summary>
    public int TopK { get; init; }

    /// <summary>Only the smallest set of most likely tokens with this probability (Holtzman et al., arXiv 1904.09751), in (0, 1]. Default 1.</summary>
    public double TopP { get; init; } = 1;

    /// <summary>Only tokens at least this share as likely as the likeliest (Nguyen et al., arXiv 2407.01082), in [0, 1). Default 0.</summary>
    public double MinP { get; init; }

    /// <summary>
    /// Divides (or multiplies, below zero) the logits of tokens seen before, in the prompt or the answer (Keskar et al., arXiv
    /// 1909.05858), above 0; 1 is off. Default 1.
    /// </summary>
    public double RepetitionPenalty { get; init; } = 1;

    /// <summary>Taken from a token's logit for each time the answer has it already, in [-2, 2] as in OpenAI's interface. Default 0.</summary>
    public double FrequencyPenalty { get; init; }

    /// <summary>Taken from a token's logit once the answer has it, in [-2, 2] as in OpenAI's interface. Default 0.</summary>
    public double PresencePenalty { get; init; }

    /// <summary>Seeds sampling; row i of a call draws from its own stream, whatever the batches. Default 42.</summary>
    public int Seed { get; init; } = 42;

    /// <summary>Texts that end the answer, found also across token borders; not part of the answer. Default none.</summary>
    public IReadOnlyList<string> StopStrings { get; init; } = [];

    /// <summary>Whether <see cref="GeneratedText.LogProbabilities"/> is filled. Default false.</summary>
    public bool LogProbabilities { get; init; }

    /// <summary>
    /// How many of the likeliest tokens <see cref="GeneratedText.TopLogProbabilities"/> tells at every place, from 0 to 20 as in OpenAI's interface.
    /// Default 0.
    /// </summary>
    public int TopLogProbabilities { get; init; }

    /// <summary>Most rows that grow together, 1 or more: memory is shared by their key/value caches. Answers do not depend on it. Default 16.</summary>
    public int MaximumBatchSize { get; init; } = 16;

    /// <summary>Refuses the first option that lies outside its range.</summary>
    /// <exception cref="NlftException">Names the option, the value and the range.</exception>
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
        OptionCheck.Require(StopStrings is not null, nameof(StopStrings), StopStrings, "a list of texts", "Leave it out for none.");
        OptionCheck.Require(!StopStrings!.Any(string.IsNullOrEmpty), nameof(StopStrings), "", "texts of one character or more",
            "Remove the empty text: it would end every answer at once.");
        OptionCheck.Require(TopLogProbabilities is >= 0 and <= 20, nameof(TopLogProbabilities), TopLogProbabilities, "0 to 20", "Use 0 for none.");
        OptionCheck.Require(MaximumBatchSize >= 1, nameof(MaximumBatchSize), MaximumBatchSize, "1 or more", "Use 1 to generate row by row.");

        static void RequirePenalty(string option, double value) =>
            OptionCheck.Require(value is >= -2 and <= 2, option, value, "a number from -2 to 2", "Use 0 to turn the penalty off.");
    }
}
