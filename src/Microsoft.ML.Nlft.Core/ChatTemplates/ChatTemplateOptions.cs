namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>The clock of a chat template, and what one rendering may use: a template comes with a downloaded model and is not trusted.</summary>
public sealed record ChatTemplateOptions
{
    /// <summary>What strftime_now reads, as local time. Default the system's clock.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>
    /// Most steps, 1 or more: a step is a part of the template evaluated, an item of a list made or 16 characters of text made. Default 5,000,000.
    /// </summary>
    public long MaximumSteps { get; init; } = 5_000_000;

    /// <summary>Most levels of nesting of blocks, expressions and macro calls together, 16 or more. Default 512.</summary>
    public int MaximumDepth { get; init; } = 512;

    /// <summary>Most characters of the rendered text and of any text or items of any list on the way, 1 or more. Default 4,194,304.</summary>
    public int MaximumLength { get; init; } = 4 << 20;

    /// <summary>Checks the ranges.</summary>
    /// <exception cref="NlftException">An option is out of its range.</exception>
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
