using System.Text;

namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>Composes GGUF files: metadata and tensors in the order in which they are added.</summary>
internal sealed class GgufBytes
{
    private readonly List<(string Key, object Value)> _metadata = [];
    private readonly List<(string Name, ulong[] Shape, uint Type, byte[] Data)> _tensors = [];

    /// <summary>The version of the format.</summary>
    public uint Version { get; init; } = 3;

    /// <summary>The multiple at which tensors begin; write general.alignment yourself.</summary>
    public int Alignment { get; init; } = 32;

    /// <summary>Adds a value: text, number or flag, or a list of texts, float32 or 32-bit integers.</summary>
    public GgufBytes Add(string key, object value)
    {
        _metadata.Add((key, value));
        return this;
    }

    /// <summary>Adds a tensor.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="type">The number of its type.</param>
    /// <param name="shape">Dimensions, outermost first.</param>
    /// <param name="data">Its bytes.</param>
    public GgufBytes Tensor(string name, uint type, ulong[] shape, byte[] data)
    {
        _tensors.Add((name, shape, type, data));
        return this;
    }

    /// <summary>Adds a float32 tensor.</summary>
    public GgufBytes Floats(string name, ulong[] shape, params float[] values) =>
        Tensor(name, 0, shape, [.. values.SelectMany(BitConverter.GetBytes)]);

    /// <summary>Returns the file.</summary>
    public byte[] Build()
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write("GGUF"u8);
        writer.Write(Version);
        writer.Write((ulong)_tensors.Count);
        writer.Write((ulong)_metadata.Count);
        foreach (var (key, value) in _metadata)
        {
            Text(writer, key);
            writer.Write(Type(value));
            Value(writer, value);
        }
        ulong offset = 0;
        foreach (var (name, shape, type, data) in _tensors)
        {
            Text(writer, name);
            writer.Write((uint)shape.Length);
            foreach (var size in shape.Reverse()) writer.Write(size);
            writer.Write(type);
            writer.Write(offset);
            offset += (ulong)Padded(data.Length);
        }
        foreach (var (_, _, _, data) in _tensors)
        {
            Pad(writer, stream);
            writer.Write(data);
        }
        Pad(writer, stream);
        writer.Flush();
        return stream.ToArray();
    }

    /// <summary>Reads a file that <see cref="Build"/> wrote.</summary>
    /// <exception cref="InvalidDataException">It has types that are not written here.</exception>
    /// <exception cref="IOException">It ends early.</exception>
    public static GgufBytes Read(byte[] file)
    {
        using var reader = new BinaryReader(new MemoryStream(file));
        if (!reader.ReadBytes(4).AsSpan().SequenceEqual("GGUF"u8)) throw new InvalidDataException("no GGUF file");
        var bytes = new GgufBytes { Version = reader.ReadUInt32() };
        var (tensors, keys) = (Count(reader), Count(reader));
        for (var i = 0; i < keys; i++) bytes.Add(Text(reader), Value(reader, reader.ReadUInt32()));
        var headers = Enumerable.Range(0, tensors).Select(_ => (Name: Text(reader),
            Shape: Enumerable.Range(0, Count(reader, reader.ReadUInt32())).Select(_ => reader.ReadUInt64()).Reverse().ToArray(),
            Type: reader.ReadUInt32(), Offset: Count(reader))).ToList();
        var data = (int)bytes.Padded(reader.BaseStream.Position);
        foreach (var (at, (name, shape, type, offset)) in headers.Index())
        {
            var end = at + 1 < tensors ? headers[at + 1].Offset : file.Length - data;
            if (offset > end || data + end > file.Length) throw new InvalidDataException("tensors out of order");
            bytes.Tensor(name, type, shape, file[(data + offset)..(data + end)]);
        }
        return bytes;
    }

    private static int Count(BinaryReader reader) => Count(reader, reader.ReadUInt64());

    private static int Count(BinaryReader reader, ulong count) =>
        count <= (ulong)reader.BaseStream.Length ? (int)count : throw new InvalidDataException("a count beyond the file");

    private static string Text(BinaryReader reader) => Encoding.UTF8.GetString(reader.ReadBytes(Count(reader)));

    private static object Value(BinaryReader reader, uint type) => type switch
    {
        0 => reader.ReadByte(), 1 => reader.ReadSByte(), 2 => reader.ReadUInt16(), 3 => reader.ReadInt16(), 4 => reader.ReadUInt32(),
        5 => reader.ReadInt32(), 6 => reader.ReadSingle(), 7 => reader.ReadBoolean(), 8 => Text(reader), 10 => reader.ReadUInt64(),
        11 => reader.ReadInt64(), 12 => reader.ReadDouble(),
        9 => (reader.ReadUInt32(), Count(reader)) switch
        {
            (8, var count) => Items(count, () => Text(reader)), (6, var count) => Items(count, reader.ReadSingle),
            (5, var count) => Items(count, reader.ReadInt32), (4, var count) => Items(count, reader.ReadUInt32),
            (7, var count) => Items(count, reader.ReadBoolean), _ => throw new InvalidDataException("an array of another type"),
        },
        _ => throw new InvalidDataException("another type"),
    };

    private static T[] Items<T>(int count, Func<T> read) => [.. Enumerable.Range(0, count).Select(_ => read())];

    /// <summary>Changes keys, values and tensors in place.</summary>
    /// <param name="random">Chooses what to change.</param>
    /// <param name="other">Returns another value in place of one.</param>
    public void Change(Draw random, Func<object, object> other)
    {
        var at = random.Next(_metadata.Count);
        switch (random.Next(8))
        {
            case 0: _metadata.RemoveAt(at); break;
            case 1 when random.HasWords: _metadata[at] = (random.Word(), _metadata[at].Value); break;
            case 2: _metadata.Add(_metadata[random.Next(_metadata.Count)] with { Key = random.HasWords ? random.Word() : "k" }); break;
            case 3 when _tensors.Count > 0:
                var one = random.Next(_tensors.Count);
                var tensor = _tensors[one];
                _tensors[one] = random.Next(4) switch
                {
                    0 => tensor with { Name = _tensors[random.Next(_tensors.Count)].Name },
                    1 => tensor with { Type = (uint)random.Next(32) },
                    2 => tensor with { Shape = [.. tensor.Shape.Reverse()] },
                    _ => tensor with { Name = random.HasWords ? tensor.Name.Replace("attn_q", random.Word(), StringComparison.Ordinal) : "t" },
                };
                break;
            default: _metadata[at] = (_metadata[at].Key, other(_metadata[at].Value)); break;
        }
    }

    private long Padded(long length) => (length + Alignment - 1) / Alignment * Alignment;

    private void Pad(BinaryWriter writer, MemoryStream stream)
    {
        writer.Flush();
        writer.Write(new byte[Padded(stream.Length) - stream.Length]);
    }

    private static uint Type(object value) => value switch
    {
        byte => 0, sbyte => 1, ushort => 2, short => 3, uint => 4, int => 5, float => 6, bool => 7, string => 8, Array => 9, ulong => 10, long => 11,
        double => 12, _ => throw new ArgumentException($"no GGUF value: {value}", nameof(value)),
    };

    private static void Value(BinaryWriter writer, object value)
    {
        switch (value)
        {
            case string text: Text(writer, text); break;
            case Array list:
                writer.Write(list switch { string[] => 8u, float[] => 6u, int[] => 5u, bool[] => 7u, _ => 4u });
                writer.Write((ulong)list.Length);
                foreach (var item in list) Value(writer, item);
                break;
            case byte number: writer.Write(number); break;
            case sbyte number: writer.Write(number); break;
            case ushort number: writer.Write(number); break;
            case short number: writer.Write(number); break;
            case uint number: writer.Write(number); break;
            case int number: writer.Write(number); break;
            case float number: writer.Write(number); break;
            case bool flag: writer.Write(flag); break;
            case ulong number: writer.Write(number); break;
            case long number: writer.Write(number); break;
            case double number: writer.Write(number); break;
        }
    }

    private static void Text(BinaryWriter writer, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((ulong)bytes.Length);
        writer.Write(bytes);
    }
}
