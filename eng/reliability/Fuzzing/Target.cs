namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>A reader to test: its seeds, the mutation and the call.</summary>
/// <param name="Name">The name on the command line.</param>
/// <param name="FileName">The file name of the input.</param>
/// <param name="Seeds">Valid inputs.</param>
/// <param name="Mutate">Creates an input from an earlier one.</param>
/// <param name="Read">Reads the input from its folder and uses the result.</param>
internal sealed record Target(string Name, string FileName, IReadOnlyList<byte[]> Seeds, Func<Draw, byte[], byte[]> Mutate, Action<string> Read)
{
    /// <summary>The bytes that reading and use may allocate beyond the allowance for the size.</summary>
    public long Memory { get; init; } = 16 << 20;

    /// <summary>A type of the assembly that reads the input, whose branch targets count.</summary>
    public Type Library { get; init; } = typeof(NlftException);

    /// <summary>Inputs that an earlier run kept for what they reach, accepted or not.</summary>
    public IReadOnlyList<byte[]> Corpus => field ??= Fuzzing.Corpus.Of(Name);
}
