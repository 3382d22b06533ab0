namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>The random choices that make one input, and words that the reader knows: the texts of the classes that it enters.</summary>
internal sealed class Draw(int seed, IReadOnlyList<string> words) : Random(seed)
{
    /// <summary>Whether there are words.</summary>
    public bool HasWords => words.Count > 0;

    /// <summary>Draws a word.</summary>
    public string Word() => words[Next(words.Count)];
}
