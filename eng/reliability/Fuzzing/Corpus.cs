namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>
/// Inputs kept for what they reach: in <c>seeds/corpus/TARGET.zip</c>, one entry each, as <c>./build.sh fuzz --keep</c> writes it. No input of it
/// does without an edge that the ones before it do not reach.
/// </summary>
internal static class Corpus
{
    /// <summary>The most bytes of one input that is kept, and of all of a target.</summary>
    private const int MostOfInput = 8192, MostOfTarget = 96 << 10;

    /// <summary>Returns the kept inputs of a target.</summary>
    public static IReadOnlyList<byte[]> Of(string target) =>
        [.. SeedFiles.In("corpus").Where(file => file.Name == target + ".zip").SelectMany(file => ZipBytes.Read(file.Bytes))
            .Select(entry => entry.Bytes)];

    /// <summary>Writes the inputs that a target is to keep.</summary>
    public static void Write(string folder, string target, IReadOnlyList<byte[]> inputs)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllBytes(Path.Combine(folder, target + ".zip"),
            ZipBytes.Write(inputs.Select((input, at) => (FormattableString.Invariant($"{at:000}"), input))));
    }

    /// <summary>Chooses inputs that together reach what all reach, short ones first, and shortens each as far as it keeps its own edges.</summary>
    /// <param name="target">The reader; what its seeds reach needs no further input.</param>
    /// <param name="inputs">The inputs to choose from.</param>
    /// <param name="edgesOf">Returns the edges that an input reaches.</param>
    public static IReadOnlyList<byte[]> Minimise(Target target, IEnumerable<byte[]> inputs, Func<byte[], IReadOnlyList<int>> edgesOf)
    {
        var (reached, kept, left) = (new HashSet<int>(), new List<byte[]>(), MostOfTarget);
        foreach (var seed in target.Seeds) reached.UnionWith(edgesOf(seed));
        foreach (var input in inputs.Where(input => input.Length <= MostOfInput).OrderBy(input => input.Length))
        {
            var own = edgesOf(input).Where(edge => !reached.Contains(edge)).ToList();
            if (own.Count == 0 || input.Length > left) continue;
            var shortest = Shorten(input, shorter => own.All(edgesOf(shorter).ToHashSet().Contains));
            reached.UnionWith(edgesOf(shortest));
            kept.Add(shortest);
            left -= shortest.Length;
        }
        return kept;
    }

    /// <summary>Removes parts of an input, halves first and single bytes last, as long as it stays good (A. Zeller, ddmin).</summary>
    private static byte[] Shorten(byte[] input, Func<byte[], bool> isGood)
    {
        for (var length = input.Length / 2; length > input.Length / 64; length /= 2)
        {
            for (var at = 0; at + length <= input.Length;)
            {
                byte[] shorter = [.. input[..at], .. input[(at + length)..]];
                if (isGood(shorter)) input = shorter;
                else at += length;
            }
        }
        return input;
    }
}
