using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>The generation defaults of the model's authors, from generation_config.json. Missing keys are null, or an empty list.</summary>
public sealed record GenerationDefaults
{
    /// <summary>The ids that end an answer (eos_token_id); may be empty.</summary>
    public IReadOnlyList<int> EndOfSequenceIds { get; init; } = [];

    /// <summary>Whether to sample (do_sample).</summary>
    public bool? DoSample { get; init; }

    /// <summary>Sampling temperature, 0 or more (temperature).</summary>
    public double? Temperature { get; init; }

    /// <summary>Share of probability to sample from, in [0, 1] (top_p).</summary>
    public double? TopP { get; init; }

    /// <summary>Number of likeliest tokens to sample from, 0 or more; 0: all (top_k).</summary>
    public int? TopK { get; init; }

    /// <summary>Repetition penalty, above 0 (repetition_penalty).</summary>
    public double? RepetitionPenalty { get; init; }

    /// <summary>The most tokens of an answer, 1 or more (max_new_tokens).</summary>
    public int? MaximumNewTokens { get; init; }

    /// <summary>Reads the file.</summary>
    internal static GenerationDefaults Read(JsonPlace keys)
    {
        var defaults = new GenerationDefaults
        {
            EndOfSequenceIds = keys["eos_token_id"].IntsOrNull() ?? [],
            DoSample = keys["do_sample"].BooleanOrNull(),
            Temperature = keys["temperature"].NumberOrNull(),
            TopP = keys["top_p"].NumberOrNull(),
            TopK = keys["top_k"].IntOrNull(),
            RepetitionPenalty = keys["repetition_penalty"].NumberOrNull(),
            MaximumNewTokens = keys["max_new_tokens"].IntOrNull(),
        };
        Require(defaults.EndOfSequenceIds.All(id => id >= 0), "eos_token_id", "token ids of at least 0");
        Require(defaults.Temperature is not < 0, "temperature", "a number of at least 0");
        Require(defaults.TopP is not (< 0 or > 1), "top_p", "a number from 0 to 1");
        Require(defaults.TopK is not < 0, "top_k", "an integer of at least 0");
        Require(defaults.RepetitionPenalty is not <= 0, "repetition_penalty", "a number above 0");
        Require(defaults.MaximumNewTokens is not < 1, "max_new_tokens", "an integer of at least 1");
        return defaults;

        void Require(bool holds, string key, string expected)
        {
            if (!holds) throw keys[key].Refuse(expected);
        }
    }
}
