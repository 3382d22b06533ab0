using System.Buffers.Binary;

namespace Microsoft.ML.Nlft.Tool.Data;

/// <summary>
/// Reads values of Thrift's compact protocol (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md), in which the
/// headers of Parquet files are written. Every length and count is compared with the bytes that are left, and nothing nests deeper than Parquet's own
/// structures. What the library would read otherwise than the protocol says is refused: it skips a structure or a list that it does not know to a
/// wrong place, and reads 32 bits of a number whatever the number is; past the end of the file it would not come back.
/// </summary>
internal ref struct ThriftReader(ReadOnlySpan<byte> bytes)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;

    /// <summary>The bytes that were read.</summary>
    public int Position { get; private set; }

    /// <summary>Reads a structure: its fields by number; numbers are <see cref="long"/>, lists arrays, texts null.</summary>
    /// <param name="kind">Its name in <see cref="ParquetTypes"/>.</param>
    /// <exception cref="InvalidDataException">The bytes end early, or are not of the types of the structure.</exception>
    public Dictionary<int, object?> Struct(string kind)
    {
        var fields = new Dictionary<int, object?>();
        for (int field = 0, head; (head = Byte()) != 0;)
        {
            var (step, written) = (head >> 4, head & 15);
            field = Require(step > 0 ? field + step : ZigZag(), 1, short.MaxValue, "field");
            var type = ParquetTypes.Of(kind, field);
            RequireType(type, written, $"field {field} of {kind}");
            fields[field] = written is 1 or 2 ? null : Value(written, type ?? ""); // a truth is part of the head
        }

        return fields;
    }

    private object? Value(int written, string type)
    {
        switch (written)
        {
            case 1 or 2 or 3: return (long)Byte();
            case 4 or 5: return (long)Require(ZigZag(), int.MinValue, int.MaxValue, "a number of 32 bits,");
            case 6: return ZigZag();
            case 7: return BinaryPrimitives.ReadInt64LittleEndian(Take(8));
            case 8: Take(Count()); return null;
            case 9 or 10: return List(Byte(), type[1..]);
            case 12: return Struct(type);
            default: throw new InvalidDataException($"a value of the unknown type {written}");
        }
    }

    private object?[] List(int head, string type)
    {
        var items = new object?[head >> 4 is var few and < 15 ? Count(few) : Count()];
        RequireType(type, head & 15, "a list");
        for (var i = 0; i < items.Length; i++) items[i] = Value(head & 15, type);
        return items;
    }

    private static void RequireType(string? type, int written, string place)
    {
        if (type is null ? written is 7 or > 8 : !ParquetTypes.Fits(type, written)) // numbers and texts of later versions can be skipped
            throw new InvalidDataException($"{place}: another type");
    }

    private static int Require(long value, int least, int most, string what) => value >= least && value <= most ? (int)value
        : throw new InvalidDataException($"{what} {value}");

    /// <summary>Reads a number of bytes or of items, each of which takes a byte or more.</summary>
    private int Count() => Count((long)Unsigned());

    private readonly int Count(long count) => count >= 0 && count <= _bytes.Length - Position ? (int)count
        : throw new InvalidDataException($"{count} items or bytes where {_bytes.Length - Position} bytes are left");

    private ReadOnlySpan<byte> Take(int count)
    {
        var taken = _bytes.Slice(Position, Count(count));
        Position += count;
        return taken;
    }

    private int Byte() => Take(1)[0];

    private long ZigZag()
    {
        var value = Unsigned();
        return (long)(value >> 1) ^ -(long)(value & 1);
    }

    private ulong Unsigned()
    {
        var value = 0UL;
        for (var shift = 0; shift < 64; shift += 7)
        {
            var part = Byte();
            value |= (ulong)(part & 127) << shift;
            if (part < 128) return value;
        }

        throw new InvalidDataException("a number of more than 64 bits");
    }
}
