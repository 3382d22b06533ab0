namespace Microsoft.ML.Nlft.Generation;

/// <summary>How an answer is generated.</summary>
public sealed record GenerationOptions
{
    /// <summary>Most new tokens, 1 or more. Default 512.</summary>
    public int MaximumNewTokens { get; init; } = 512;

    /// <summary>Temperature, 0 or more; 0 is greedy. Default 0.</summary>
    public double Temperature { get; init; }

    /// <summary>Only the k most likely tokens; 0: all. Default 0.</summary>
    public int TopK { get; init; }

    /// <summary>Only the smallest set of tokens that has this probability, in (0, 1]. Default 1.</summary>
    public double TopP { get; init; } = 1;

    /// <summary>Only tokens at least this share as likely as the likeliest, in [0, 1). Default 0.</summary>
    public double MinP { get; init; }

    /// <summary>Divides (or multiplies, below zero) the logits of tokens seen before, above 0; 1 is off. Default 1.</summary>
    public double RepetitionPenalty { get; init; } = 1;

    /// <summary>Seeds sampling; row i of a call draws from its own stream. Default 42.</summary>
    public int Seed { get; init; } = 42;

    /// <summary>Texts that end the answer, found also across token borders; not part of the answer. Default none.</summary>
    public IReadOnlyList<string> StopStrings { get; init; } = [];
}

/// <summary>Why an answer ended.</summary>
public enum FinishReason
{
    /// <summary>A stop token or a stop string.</summary>
    Stop,

    /// <summary>The limit of new tokens.</summary>
    Length,
}

/// <summary>A generated answer.</summary>
/// <param name="Text">The text, without stop tokens.</param>
/// <param name="Tokens">Its token ids, the stop token included when there was one.</param>
/// <param name="PromptTokens">Number of prompt tokens.</param>
/// <param name="FinishReason">Why it ended.</param>
public sealed record GeneratedText(string Text, IReadOnlyList<int> Tokens, int PromptTokens, FinishReason FinishReason);
