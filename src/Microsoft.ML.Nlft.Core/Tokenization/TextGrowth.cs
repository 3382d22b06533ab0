namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>Steps in a row can multiply a text over and over: a file of a few kilobytes could ask for any memory.</summary>
internal static class TextGrowth
{
    private const int Factor = 64, Always = 1 << 12;

    /// <summary>Refuses what no tokenizer does to a text.</summary>
    /// <param name="before">Characters before the first step.</param>
    /// <param name="after">Characters now.</param>
    /// <param name="key">The steps, as tokenizer.json names them.</param>
    /// <exception cref="NlftException">The text has grown beyond measure.</exception>
    public static void Require(long before, long after, string key)
    {
        if (after > Always + Factor * before)
        {
            throw new NlftException($"tokenizer.json, key \"{key}\"", $"{after} characters made of a text of {before}", $"at most {Always + Factor * before}",
                "Use the tokenizer.json that was published with the model.");
        }
    }
}
