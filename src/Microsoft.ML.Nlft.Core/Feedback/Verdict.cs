namespace Microsoft.ML.Nlft.Feedback;

/// <summary>The kinds of a <see cref="Verdict"/>.</summary>
public enum VerdictKind
{
    /// <summary>The response is right.</summary>
    Correct,

    /// <summary>The response is wrong; the judgment says why.</summary>
    Incorrect,

    /// <summary>The judge's reply cannot be relied on: the row belongs in no training set.</summary>
    Unparsable,
}

/// <summary>What a judge says about a response.</summary>
/// <param name="Kind">Right, wrong, or unparsable.</param>
/// <param name="Judgment">Why the response is wrong; null unless it is.</param>
/// <param name="Reply">What is wrong with an unparsable reply, then its text; null for the other kinds.</param>
public sealed record Verdict(VerdictKind Kind, string? Judgment = null, string? Reply = null)
{
    /// <summary>The response is right.</summary>
    public static Verdict Correct { get; } = new(VerdictKind.Correct);

    /// <summary>Creates the verdict that the response is wrong.</summary>
    /// <param name="judgment">Why; not blank.</param>
    public static Verdict Incorrect(string judgment)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(judgment);
        return new(VerdictKind.Incorrect, judgment);
    }

    /// <summary>
    /// Reads a reply: a line <c>VERDICT: CORRECT</c>, or a line <c>VERDICT: INCORRECT</c> and after it <c>JUDGMENT:</c> with the reason up to the
    /// end. Letter case, emphasis (*, _) and a full stop at the end of the line do not matter; other lines before the verdict are skipped.
    /// </summary>
    /// <param name="reply">The reply.</param>
    /// <returns>
    /// The verdict; <see cref="VerdictKind.Unparsable"/> when there is no verdict line, more than one, one with anything else in it, or no reason.
    /// Nothing is guessed from the wording: "I cannot say that it is correct" is no verdict.
    /// </returns>
    public static Verdict Parse(string? reply)
    {
        reply ??= "";
        var lines = reply.ReplaceLineEndings("\n").Split('\n');
        var verdicts = Enumerable.Range(0, lines.Length).Where(i => After(lines[i], "VERDICT:") is not null).ToList();
        if (verdicts.Count != 1) return Unparsable(reply, verdicts.Count == 0 ? "no line VERDICT:" : $"{verdicts.Count} lines VERDICT:");
        switch (After(lines[verdicts[0]], "VERDICT:")!.TrimEnd('.').Trim('*', '_', ' ').ToUpperInvariant())
        {
            case "CORRECT": return Correct;
            case "INCORRECT": break;
            default: return Unparsable(reply, "a verdict other than CORRECT or INCORRECT");
        }
        var rest = lines[(verdicts[0] + 1)..];
        var start = Array.FindIndex(rest, line => After(line, "JUDGMENT:") is not null);
        if (start < 0) return Unparsable(reply, "INCORRECT without a line JUDGMENT:");
        var judgment = string.Join('\n', rest[(start + 1)..].Prepend(After(rest[start], "JUDGMENT:"))).Trim();
        return judgment.Length > 0 ? Incorrect(judgment) : Unparsable(reply, "INCORRECT without a reason");
    }

    /// <summary>Creates the verdict on a reply that cannot be relied on.</summary>
    internal static Verdict Unparsable(string reply, string fault) => new(VerdictKind.Unparsable, Reply: $"{fault}: {reply}");

    private static string? After(string line, string label)
    {
        var text = line.TrimStart(' ', '\t', '*', '_', '#', '>');
        return text.StartsWith(label, StringComparison.OrdinalIgnoreCase) ? text[label.Length..].TrimStart('*', '_', ' ', '\t').TrimEnd() : null;
    }
}
