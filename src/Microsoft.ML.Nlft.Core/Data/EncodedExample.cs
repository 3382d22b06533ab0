using Microsoft.ML.Nlft.Engines;

namespace Microsoft.ML.Nlft.Data;

/// <summary>A row as token ids: one prompt per context and the response they share.</summary>
public sealed class EncodedExample
{
    /// <summary>Creates an encoded row.</summary>
    /// <param name="polarity">Whether the response is right.</param>
    /// <param name="response">The n response tokens, end-of-turn token included.</param>
    /// <param name="basePrompt">Prompt of the base context.</param>
    /// <param name="judgePrompt">Prompt of the judge context, or empty.</param>
    /// <param name="standardPrompt">Prompt of the standard context, or empty.</param>
    /// <param name="source">Where the row came from, for messages.</param>
    public EncodedExample(Polarity polarity, int[] response, int[] basePrompt, int[] judgePrompt, int[] standardPrompt, string source)
    {
        (Polarity, Response, Source) = (polarity, response, source);
        (_base, _judge, _standard) = (basePrompt, judgePrompt, standardPrompt);
    }

    private readonly int[] _base, _judge, _standard;

    /// <summary>Whether the response is right.</summary>
    public Polarity Polarity { get; }

    /// <summary>The n response tokens, end-of-turn token included: the same in every context.</summary>
    public ReadOnlyMemory<int> Response { get; }

    /// <summary>
    /// For each response token whether it counts in the loss, n values, at least one true; empty: all count. The others are scored, because later
    /// tokens follow them, and have a coefficient of 0.
    /// </summary>
    public ReadOnlyMemory<bool> Counted { get; init; }

    /// <summary>The number of response tokens that count in the loss.</summary>
    public int CountedTokens => Counted.IsEmpty ? Response.Length : Counted.Span.Count(true);

    /// <summary>Where the row came from, for messages.</summary>
    public string Source { get; }

    /// <summary>Whether the length limit cut the row: the beginning of a prompt, or the end of a conversation or a text.</summary>
    internal bool IsCut { get; init; }

    /// <summary>The prompt tokens of one context; empty when the row does not have it.</summary>
    public ReadOnlyMemory<int> Prompt(PromptContexts context) => context switch
    {
        PromptContexts.Base => _base,
        PromptContexts.Judge => _judge,
        PromptContexts.Standard => _standard,
        _ => throw new ArgumentOutOfRangeException(nameof(context), context, "one context at a time"),
    };

    /// <summary>Prompt and response of one context as a sequence to score.</summary>
    /// <exception cref="InvalidOperationException">The row does not have that context.</exception>
    public TokenSequence Sequence(PromptContexts context)
    {
        var prompt = Prompt(context);
        if (prompt.IsEmpty) throw new InvalidOperationException($"{Source} has no {context} context.");
        return new TokenSequence((int[])[.. prompt.Span, .. Response.Span], prompt.Length);
    }
}
