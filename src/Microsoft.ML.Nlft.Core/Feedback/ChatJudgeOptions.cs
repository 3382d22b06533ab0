using System.Net;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Feedback;

/// <summary>Sets how <see cref="ChatJudge"/> asks, and what it does when it gets no reply.</summary>
public sealed record ChatJudgeOptions
{
    /// <summary>The system text. It must ask for replies in the form that <see cref="Verdict.Parse"/> reads.</summary>
    public string System { get; init; } =
        "You check answers. You are given a question, the right answer, and a response. Decide whether the response reaches the right answer by "
        + "sound steps.\nReply in exactly this form and nothing else. For a right response:\nVERDICT: CORRECT\nFor a wrong response, with one or two "
        + "sentences that name the first mistake and what should stand there:\nVERDICT: INCORRECT\nJUDGMENT: ...";

    /// <summary>The user text, with <c>{question}</c>, <c>{answer}</c>, <c>{response}</c> and, if wanted, <c>{instruction}</c>.</summary>
    public string Template { get; init; } = "Question:\n{question}\n\nRight answer:\n{answer}\n\nResponse:\n{response}";

    /// <summary>Sampling temperature, 0 or more. Default 0.</summary>
    public float Temperature { get; init; }

    /// <summary>The most tokens of a reply, 1 or more. A reply that reaches this limit is unparsable. Default 512.</summary>
    public int MaximumOutputTokens { get; init; } = 512;

    /// <summary>The most requests at the same time, 1 or more. Default 4.</summary>
    public int MaximumParallelism { get; init; } = 4;

    /// <summary>The most attempts for a row, 1 or more. Default 6.</summary>
    public int MaximumAttempts { get; init; } = 6;

    /// <summary>
    /// Wait before the second attempt; it doubles before each further one. Half of it is random, so that requests do not coincide. Default 1 s.
    /// </summary>
    public TimeSpan FirstDelay { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Longest wait between two attempts. Default 1 min.</summary>
    public TimeSpan MaximumDelay { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Time limit of an attempt; exceeding it counts as a transient failure. Default 5 min.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// Says which failures to retry. Default <see cref="IsTransientByDefault"/>. A client with exceptions of its own, for example for OpenAI's rate
    /// limit, needs a function that recognizes them.
    /// </summary>
    public Func<Exception, bool> IsTransient { get; init; } = IsTransientByDefault;

    /// <summary>Seeds the random part of the waits. Default 42.</summary>
    public int Seed { get; init; } = 42;

    /// <summary>The clock for waits and time limits. Default the system's.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>Recognizes timeouts, broken connections, and HTTP failures without a status or with status 408, 429 or 5xx.</summary>
    public static bool IsTransientByDefault(Exception error) => error switch
    {
        HttpRequestException http =>
            http.StatusCode is null or HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError,
        TimeoutException or IOException or OperationCanceledException => true,
        _ => false,
    };

    internal void Validate()
    {
        OptionCheck.Require(!string.IsNullOrWhiteSpace(System), nameof(System), System, "a text", "Say what to judge and how to reply.");
        string[] needed = ["{question}", "{answer}", "{response}"];
        OptionCheck.Require(Template is not null && needed.All(Template.Contains), nameof(Template), Template,
            "a text with {question}, {answer} and {response}", "Put the three where the row's texts belong.");
        OptionCheck.Require(float.IsFinite(Temperature) && Temperature >= 0, nameof(Temperature), Temperature,
            "a finite number, 0 or more", "Use 0 for the likeliest verdict.");
        OptionCheck.Require(MaximumOutputTokens >= 1, nameof(MaximumOutputTokens), MaximumOutputTokens,
            "1 or more", "Leave room for two sentences: 512, for example.");
        OptionCheck.Require(MaximumParallelism >= 1, nameof(MaximumParallelism), MaximumParallelism,
            "1 or more", "Use 1 for one request after another.");
        OptionCheck.Require(MaximumAttempts >= 1, nameof(MaximumAttempts), MaximumAttempts, "1 or more", "Use 1 to try once.");
        OptionCheck.Require(FirstDelay >= TimeSpan.Zero, nameof(FirstDelay), FirstDelay, "0 or more", "Use 00:00:01.");
        OptionCheck.Require(MaximumDelay >= FirstDelay && MaximumDelay.TotalDays <= 1, nameof(MaximumDelay), MaximumDelay,
            $"FirstDelay, {FirstDelay}, to a day", "Use 00:01:00.");
        OptionCheck.Require(Timeout > TimeSpan.Zero && Timeout.TotalDays <= 1, nameof(Timeout), Timeout, "above 0, at most a day", "Use 00:05:00.");
        OptionCheck.Require(IsTransient is not null, nameof(IsTransient), IsTransient, "a function", "Leave it out for the default.");
    }
}
