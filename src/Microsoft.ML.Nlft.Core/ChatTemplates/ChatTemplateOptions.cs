namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>Sets the clock and limits of a chat template, which comes with a downloaded model and is not trusted.</summary>
public sealed record ChatTemplateOptions
{
    /// <summary>The clock of strftime_now, read as local time. Default the system clock.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>
    /// Maximum number of steps of one rendering, 1 or more. A step is a node evaluated, a list item created, 16 characters of text compared, searched
    /// or created, or 32 bytes of a new mapping or scope. Default 5,000,000.
    /// </summary>
    public long MaximumSteps { get; init; } = 5_000_000;

    /// <summary>Maximum nesting depth of blocks, expressions and macro calls together, 16 or more. Default 512.</summary>
    public int MaximumDepth { get; init; } = 512;

    /// <summary>Maximum length of the result and of every intermediate text (characters) or list (items), 1 or more. Default 4,194,304.</summary>
    public int MaximumLength { get; init; } = 4 << 20;

    /// <summary>Checks the ranges and returns the options.</summary>
    /// <exception cref="NlftException">An option is out of range.</exception>
    internal ChatTemplateOptions Validated()
    {
        Check(MaximumSteps >= 1, nameof(MaximumSteps), MaximumSteps, "1 or more");
        Check(MaximumDepth >= 16, nameof(MaximumDepth), MaximumDepth, "16 or more");
        Check(MaximumLength >= 1, nameof(MaximumLength), MaximumLength, "1 or more");
        return this;

        static void Check(bool fits, string option, long value, string range)
        {
            if (!fits) throw new NlftException($"option {option}", $"{value}", range, "Choose a value in that range or keep the default.");
        }
    }
}
