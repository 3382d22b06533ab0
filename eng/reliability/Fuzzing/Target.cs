namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>A reader under attack: inputs to begin with, how they are changed, and what reads the result.</summary>
/// <param name="Name">For the command line.</param>
/// <param name="FileName">The name that the input has in its folder.</param>
/// <param name="Seeds">Valid inputs.</param>
/// <param name="Mutate">Makes a new input of one that was accepted.</param>
/// <param name="Read">Reads the folder that holds the input, and uses what it gets.</param>
internal sealed record Target(string Name, string FileName, IReadOnlyList<byte[]> Seeds, Func<Random, byte[], byte[]> Mutate, Action<string> Read)
{
    /// <summary>Bytes that reading and using may allocate in all, besides what the size explains.</summary>
    public long Memory { get; init; } = 16 << 20;
}
