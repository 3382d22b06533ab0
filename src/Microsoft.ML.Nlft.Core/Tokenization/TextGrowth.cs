namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>Limits how much a sequence of steps may lengthen a text; otherwise a small file could demand any amount of memory.</summary>
internal static class TextGrowth
{
    private const int MaximumFactor = 64, Allowance = 1 << 12;

    /// <summary>Refuses a text that has grown more than 64-fold, plus 4096 characters.</summary>
    /// <param name="before">Characters before the first step.</param>
    /// <param name="after">Characters now.</param>
    /// <param name="key">The steps' key in tokenizer.json.</param>
    /// <exception cref="NlftException">The text exceeds the limit.</exception>
    public static void Require(long before, long after, string key)
    {
        var limit = Allowance + MaximumFactor * before;
        if (after <= limit) return;
        throw new NlftException($"tokenizer.json, \"{key}\"", $"{after} characters made of a text of {before}", $"at most {limit}",
            "Use the tokenizer.json that was published with the model.");
    }
}
