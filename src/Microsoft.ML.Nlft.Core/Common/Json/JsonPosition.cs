using System.Text.Json;

namespace Microsoft.ML.Nlft.Common;

/// <summary>A position in a text file. It moves forward only, so that counting lines and columns is linear in the size of the file.</summary>
internal struct JsonPosition
{
    private long _byteInLine;

    public JsonPosition()
    {
    }

    /// <summary>Line number, from 1.</summary>
    public long Line { get; private set; } = 1;

    /// <summary>Column number in UTF-16 code units, from 1.</summary>
    public long Column { get; private set; } = 1;

    /// <summary>Moves past some bytes.</summary>
    public void Advance(ReadOnlySpan<byte> bytes)
    {
        var newLine = bytes.LastIndexOf((byte)'\n');
        if (newLine >= 0)
        {
            Line += bytes.Count((byte)'\n');
            (Column, _byteInLine) = (1, 0);
            bytes = bytes[(newLine + 1)..];
        }
        _byteInLine += bytes.Length;
        foreach (var value in bytes)
        {
            // A continuation byte adds nothing; a four-byte character is two UTF-16 code units.
            if ((value & 0xC0) != 0x80) Column += value >= 0xF0 ? 2 : 1;
        }
    }

    /// <summary>Returns the position after some bytes.</summary>
    public readonly JsonPosition After(ReadOnlySpan<byte> bytes)
    {
        var moved = this;
        moved.Advance(bytes);
        return moved;
    }

    /// <summary>Returns the position of an error in the bytes that start here.</summary>
    /// <param name="bytes">The bytes.</param>
    /// <param name="error">An error of a reader that started counting at <paramref name="origin"/>.</param>
    /// <param name="origin">A position at or before this one.</param>
    public readonly JsonPosition Of(ReadOnlySpan<byte> bytes, JsonException error, JsonPosition origin)
    {
        var lines = (error.LineNumber ?? 0) + origin.Line - Line;
        var offset = 0L;
        for (var line = 0L; line < lines && bytes[(int)offset..].IndexOf((byte)'\n') is var end and >= 0; line++) offset += end + 1;
        var byteInLine = (error.BytePositionInLine ?? 0) + (error.LineNumber is null or 0 ? origin._byteInLine : 0);
        offset += byteInLine - (lines == 0 ? _byteInLine : 0);
        return After(bytes[..(int)Math.Clamp(offset, 0, bytes.Length)]);
    }

    public override readonly string ToString() => $"line {Line}, column {Column}";
}
