using System.Buffers.Binary;

namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>
/// Mutates Parquet files (https://parquet.apache.org/docs/file-format/): PAR1, pages, the footer, its length in four bytes, PAR1. Changes keep that
/// frame, because without it a file is refused at once.
/// </summary>
internal static class ParquetBytes
{
    private const int Mark = 4, Frame = 12;

    private static readonly int[] s_lengths = [0, 1, -1, int.MaxValue, int.MinValue, 1 << 20];

    /// <summary>Numbers as the headers have them (variable length, lowest bits first), and the types of a field or a list.</summary>
    private static readonly byte[][] s_pieces =
    [
        [0], [1], [2], [0x7F], [0xFE, 0x01], [0x80, 0x80, 0x04], [0xFF, 0xFF, 0xFF, 0xFF, 0x0F], [0xFE, 0xFF, 0xFF, 0xFF, 0x0F],
        [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], [0x15], [0x18], [0x19], [0x1C], [0x2C], [0xF9], [0xFC], [0xFF],
    ];

    /// <summary>Changes the pages or the footer: bytes anywhere, or a number or type put over others. Most files get a right footer length.</summary>
    public static byte[] Mutate(Draw random, byte[] input)
    {
        if (input.Length < Frame || random.Next(10) == 0) return Bytes.Mutate(random, input);
        var length = BinaryPrimitives.ReadInt32LittleEndian(input.AsSpan(input.Length - 2 * Mark));
        if (length < 0 || length > input.Length - Frame) length = random.Next(input.Length - Frame + 1);
        var (pages, footer) = (input[Mark..^(length + 2 * Mark)], input[^(length + 2 * Mark)..^(2 * Mark)]);
        if (random.Next(3) > 0) footer = Change(random, footer);
        else pages = Change(random, pages);
        var size = new byte[Mark];
        BinaryPrimitives.WriteInt32LittleEndian(size, random.Next(20) == 0 ? s_lengths[random.Next(s_lengths.Length)] : footer.Length);
        return [.. "PAR1"u8, .. pages, .. footer, .. size, .. "PAR1"u8];
    }

    private static byte[] Change(Draw random, byte[] part)
    {
        if (random.Next(2) == 0) return Bytes.Mutate(random, part);
        var piece = s_pieces[random.Next(s_pieces.Length)];
        var at = random.Next(part.Length + 1);
        return [.. part[..at], .. piece, .. part[Math.Min(at + random.Next(piece.Length + 1), part.Length)..]];
    }
}
