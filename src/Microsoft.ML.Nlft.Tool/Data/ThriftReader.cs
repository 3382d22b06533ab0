using System.Buffers.Binary;

namespace Microsoft.ML.Nlft.Tool.Data;

/// <summary>
/// Reads values of Thrift's compact protocol (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md), in which the
/// headers of Parquet files are written. Every length and count is compared with the bytes that are left, and nesting is limited.
/// </summary>
internal ref struct ThriftReader(ReadOnlySpan<byte> bytes)
{
    private const int MostNesting = 32; // Parquet's own headers nest 9 deep

    private readonly ReadOnlySpan<byte> _bytes = bytes;

    /// <summary>The bytes that were read.</summary>
    public int Position { get; private set; }

    /// <summary>Reads a structure: its fields by number; numbers are <see cref="long"/>, lists arrays, texts null.</summary>
    /// <param name="kind">Its name in <see cref="ParquetTypes"/>; null: none of them.</param>
    /// <param name="depth">The nesting so far.</param>
    /// <exception cref="InvalidDataException">The bytes end early, nest too deep, or are not of the types of the structure.</exception>
    public Dictionary<int, object?> Struct(string? kind, int depth = 0)
    {
        RequireShallow(depth);
        var fields = new Dictionary<int, object?>();
        for (int field = 0, head; (head = Byte()) != 0;)
        {
            field = head >> 4 is var step and > 0 ? field + step : (int)ZigZag();
            var type = RequireType(ParquetTypes.Of(kind, field), head & 15, $"field {field} of {kind}");
            fields[field] = (head & 15) is 1 or 2 ? null : Value(head & 15, type, depth + 1); // a truth is part of the head
        }

        return fields;
    }

    private object? Value(int written, string? type, int depth)
    {
        switch (written)
        {
            case 1 or 2 or 3: return (long)Byte();
            case 4 or 5 or 6: return ZigZag();
            case 7: return BinaryPrimitives.ReadInt64LittleEndian(Take(8));
            case 8: Take(Count()); return null;
            case 9 or 10: return List(Byte(), type?[1..], depth);
            case 11: return Map(depth);
            case 12: return Struct(type, depth);
            default: throw new InvalidDataException($"a value of the unknown type {written}");
        }
    }

    private object?[] List(int head, string? type, int depth)
    {
        RequireShallow(depth);
        var items = new object?[head >> 4 is var few and < 15 ? Count(few) : Count()];
        RequireType(type, head & 15, "a list");
        for (var i = 0; i < items.Length; i++) items[i] = Value(head & 15, type, depth + 1);
        return items;
    }

    private static void RequireShallow(int depth)
    {
        if (depth > MostNesting) throw new InvalidDataException($"headers nested more than {MostNesting} deep");
    }

    private static string? RequireType(string? type, int written, string place) => type is null || ParquetTypes.Fits(type, written) ? type
        : throw new InvalidDataException($"{place}: another type");

    private object? Map(int depth)
    {
        var count = Count();
        RequireShallow(depth);
        var types = count == 0 ? 0 : Byte();
        for (; count > 0; count--) _ = (Value(types >> 4, null, depth + 1), Value(types & 15, null, depth + 1));
        return null;
    }

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
