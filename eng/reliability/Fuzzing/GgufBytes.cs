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
