namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>Mutates bytes without knowledge of the format.</summary>
internal static class Bytes
{
    private const int Longest = 1 << 14;

    /// <summary>Makes one to three changes: flips, overwrites, repeats, removes or inserts bytes, or truncates the input.</summary>
    public static byte[] Mutate(Draw random, byte[] input)
    {
        var bytes = input.ToList();
        for (var changes = random.Next(1, 4); changes > 0; changes--)
        {
            var at = random.Next(bytes.Count + 1);
            var length = Math.Min(random.Next(1, 9), bytes.Count - at);
            switch (random.Next(6))
            {
                case 0 when at < bytes.Count: bytes[at] ^= (byte)(1 << random.Next(8)); break;
                case 1 when at < bytes.Count: bytes[at] = (byte)random.Next(256); break;
                case 2 when length > 0: bytes.RemoveRange(at, length); break;
                case 3 when length > 0 && bytes.Count < Longest: bytes.InsertRange(at,
                    [.. Enumerable.Repeat(bytes.GetRange(at, length), random.Next(1, 40)).SelectMany(part => part)]); break;
                case 4: bytes.Insert(at, (byte)random.Next(256)); break;
                case 5: bytes.RemoveRange(at, bytes.Count - at); break;
            }
        }
        return [.. bytes];
    }
}
