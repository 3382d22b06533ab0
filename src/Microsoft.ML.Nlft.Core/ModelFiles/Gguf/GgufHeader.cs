using System.Numerics;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>One tensor of a GGUF file. The shape begins with the outermost dimension; Begin and End are byte offsets into the file.</summary>
internal sealed record GgufEntry(string Name, GgufType Type, long[] Shape, long Begin, long End);

/// <summary>
/// The header of a GGUF file of version 2 or 3: magic, version, counts, metadata, the tensors' names, shapes, types and places. All rules are checked
/// before any of it is used, each with its own message.
/// </summary>
internal sealed class GgufHeader
{
    private const string AlignmentKey = "general.alignment";
    private const int DefaultAlignment = 32, LargestAlignment = 1 << 20;
    private const int SmallestPair = 13; // bytes: key length, type, value
    private const int SmallestTensor = 32; // bytes: name length, dimension count, one size, type, offset
    private const int LongestKey = 65535, LongestName = 64, MostDimensions = 4;
    private const string Export = "The file is damaged or incomplete: download or export it again.";

    private readonly GgufCursor _cursor;
    private readonly StoredFile _file;

    private GgufHeader(StoredFile file)
    {
        (_file, _cursor) = (file, new GgufCursor(file));
        Metadata = new GgufMetadata(file.Path);
    }

    /// <summary>The metadata.</summary>
    public GgufMetadata Metadata { get; }

    /// <summary>The tensors in the order of their data.</summary>
    public IReadOnlyList<GgufEntry> Tensors { get; private set; } = [];

    /// <summary>Bytes before the padding that the data begin after.</summary>
    public long Length => _cursor.Position;

    /// <summary>Reads and checks the header of an open file.</summary>
    public static GgufHeader Read(StoredFile file)
    {
        var header = new GgufHeader(file);
        header.RequireVersion();
        var tensors = header._cursor.Count("number of tensors", SmallestTensor);
        var pairs = header._cursor.Count("number of metadata keys", SmallestPair);
        for (var i = 0; i < pairs; i++) header.ReadPair(i);
        header.ReadTensors(tensors);
        return header;
    }

    private void RequireVersion()
    {
        if (_cursor.Left < 24) throw Fault($"{_cursor.Left} bytes", "at least the 24 bytes of magic, version and counts");
        var magic = _cursor.Bytes(4, "magic");
        if (magic.SequenceEqual("vers"u8))
            throw Fault("a Git LFS pointer", "the GGUF file itself", "Run 'git lfs pull' in the folder, or download the file.");
        if (!magic.SequenceEqual("GGUF"u8)) throw Fault($"a file that begins with {Convert.ToHexString(magic)}", "\"GGUF\"", "Name a GGUF file.");
        var version = _cursor.UInt32("version");
        if (version is 2 or 3) return;
        throw version != 0 && version % 65536 == 0
            ? Fault("a big-endian file", "a little-endian one", "Convert it with llama.cpp's gguf_convert_endian.py.")
            : Fault($"version {version}", "version 2 or 3", "Convert the original model again with a newer llama.cpp.");
    }

    private void ReadPair(int index)
    {
        var place = $"key {index + 1} of the metadata";
        var key = _cursor.Text(place);
        if (key.Length is 0 or > LongestKey) throw _cursor.Fault(place, $"a key of {key.Length} characters", $"1 to {LongestKey}");
        place = $"\"{key}\"";
        if (!Metadata.TryAdd(key, ReadValue(Type(place), place))) throw _cursor.Fault(place, "the key twice", "each key once");
    }

    private GgufValueType Type(string place) => _cursor.UInt32(place) is var number && number <= (uint)GgufValueType.Float64 ? (GgufValueType)number
        : throw _cursor.Fault(place, $"a value of type {number}", $"a type from 0 to {(uint)GgufValueType.Float64}");

    private object ReadValue(GgufValueType type, string place) => type switch
    {
        GgufValueType.String => _cursor.Text(place),
        GgufValueType.Array => ReadArray(place),
        _ => Number(type, _cursor.Bytes(Size(type), place), place),
    };

    private object ReadArray(string place)
    {
        var type = Type(place);
        if (type == GgufValueType.Array) throw _cursor.Fault(place, "a list of lists", "a list of texts, numbers or flags");
        if (type == GgufValueType.String)
        {
            var texts = new string[_cursor.Count(place, sizeof(ulong))];
            for (var i = 0; i < texts.Length; i++) texts[i] = _cursor.Text(place);
            return texts;
        }
        var size = Size(type);
        return new GgufNumbers(type, _cursor.Copy(_cursor.Count(place, size) * size, place));
    }

    private object Number(GgufValueType type, ReadOnlySpan<byte> bytes, string place) => type switch
    {
        GgufValueType.UInt8 => (decimal)bytes[0],
        GgufValueType.Int8 => (decimal)(sbyte)bytes[0],
        GgufValueType.UInt16 => (decimal)BitConverter.ToUInt16(bytes),
        GgufValueType.Int16 => (decimal)BitConverter.ToInt16(bytes),
        GgufValueType.UInt32 => (decimal)BitConverter.ToUInt32(bytes),
        GgufValueType.Int32 => (decimal)BitConverter.ToInt32(bytes),
        GgufValueType.UInt64 => (decimal)BitConverter.ToUInt64(bytes),
        GgufValueType.Int64 => (decimal)BitConverter.ToInt64(bytes),
        GgufValueType.Float32 => BitConverter.ToSingle(bytes),
        GgufValueType.Float64 => BitConverter.ToDouble(bytes),
        _ => bytes[0] <= 1 ? bytes[0] == 1 : throw _cursor.Fault(place, $"a flag of {bytes[0]}", "0 or 1"),
    };

    private static int Size(GgufValueType type) => type switch
    {
        GgufValueType.UInt8 or GgufValueType.Int8 or GgufValueType.Bool => 1,
        GgufValueType.UInt16 or GgufValueType.Int16 => 2,
        GgufValueType.UInt64 or GgufValueType.Int64 or GgufValueType.Float64 => 8,
        _ => 4,
    };

    private void ReadTensors(int count)
    {
        var alignment = Metadata.Contains(AlignmentKey) ? Metadata.Integer(AlignmentKey, 8, LargestAlignment)!.Value : DefaultAlignment;
        if (!BitOperations.IsPow2(alignment)) throw Metadata.Refuse(AlignmentKey, "a power of two");
        var names = new HashSet<string>(StringComparer.Ordinal);
        var raw = new List<(GgufEntry Entry, ulong Offset)>(count);
        for (var i = 0; i < count; i++) raw.Add(ReadTensor(i, names));
        var data = Aligned(_cursor.Position, alignment);
        if (count > 0 && data > _file.Length) throw Fault($"{_file.Length} bytes", $"tensors that begin at byte {data}", Export);
        Place(raw, count > 0 ? data : Math.Min(data, _file.Length), alignment);
    }

    /// <summary>Reads a tensor's entry; its end is its length until it gets its place.</summary>
    private (GgufEntry Entry, ulong Offset) ReadTensor(int index, HashSet<string> names)
    {
        var name = _cursor.Text($"name of tensor {index + 1}");
        if (name.Length is 0 or > LongestName)
            throw _cursor.Fault($"name of tensor {index + 1}", $"a name of {name.Length} characters", $"1 to {LongestName}");
        var place = $"tensor \"{name}\"";
        if (!names.Add(name)) throw _cursor.Fault(place, "the tensor twice", "each tensor once");
        var dimensions = _cursor.UInt32(place);
        if (dimensions is 0 or > MostDimensions) throw _cursor.Fault(place, $"{dimensions} dimensions", $"1 to {MostDimensions}");
        var shape = new ulong[dimensions];
        for (var i = shape.Length - 1; i >= 0; i--) shape[i] = _cursor.UInt64(place); // the file has the innermost one first
        var type = (GgufType)_cursor.UInt32(place);
        var (values, bytes) = type.Block();
        if (values == 0)
        {
            throw _cursor.Fault(place, $"element type {(Enum.IsDefined(type) ? type : (uint)type)}", GgufTypes.Names,
                "Use a file of the model in another quantisation, for example Q4_K_M or Q8_0.");
        }
        return (new GgufEntry(name, type, Array.ConvertAll(shape, size => size <= long.MaxValue ? (long)size : long.MaxValue), 0,
            LengthOf(shape, type, values, bytes, place)), _cursor.UInt64(place));
    }

    private long LengthOf(ulong[] shape, GgufType type, int values, int bytes, string place)
    {
        var text = $"shape [{string.Join(", ", shape)}] of {type}";
        if (Array.Exists(shape, size => size == 0)) throw _cursor.Fault(place, text, "sizes above 0");
        if (shape[^1] % (ulong)values != 0) throw _cursor.Fault(place, text, $"rows of a multiple of {values} values, the block of {type}");
        var left = (ulong)_cursor.Left;
        var length = shape.Aggregate((UInt128)1, (product, size) => UInt128.Min(product * size, ulong.MaxValue)) / (ulong)values * (ulong)bytes;
        return length <= left ? (long)length
            : throw _cursor.Fault(place, $"{text}, in the {left} bytes that are left", "a tensor that ends inside the file");
    }

    /// <summary>
    /// Gives the tensors their places: they follow each other without gaps, each begins at a multiple of the alignment, and the file ends with
    /// them.
    /// </summary>
    private void Place(List<(GgufEntry Entry, ulong Offset)> tensors, long data, int alignment)
    {
        var placed = new List<GgufEntry>(tensors.Count);
        long end = 0;
        foreach (var (entry, offset) in tensors.OrderBy(tensor => tensor.Offset))
        {
            var begin = Aligned(end, alignment);
            if (offset != (ulong)begin)
            {
                throw _cursor.Fault($"tensor \"{entry.Name}\"", $"offset {offset}",
                    $"{begin}, the end of the tensor before it, at a multiple of {alignment} (no hole, no overlap)");
            }
            end = begin + entry.End;
            if (data + end > _file.Length)
            {
                throw _cursor.Fault($"tensor \"{entry.Name}\"", $"an end at byte {data + end} of {_file.Length}",
                    "a tensor that ends inside the file");
            }
            placed.Add(entry with { Begin = data + begin, End = data + end });
        }
        if (_file.Length > data + Aligned(end, alignment))
            throw Fault($"{_file.Length - data} bytes after the header", $"{end}, the end of the last tensor", Export);
        Tensors = placed;
    }

    private static long Aligned(long position, int alignment) => (position + alignment - 1) / alignment * alignment;

    private NlftException Fault(string found, string expected, string remedy = Export) => new(_file.Path, found, expected, remedy);
}
