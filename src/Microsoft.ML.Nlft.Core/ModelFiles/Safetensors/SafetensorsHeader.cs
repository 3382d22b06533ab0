using System.Buffers.Binary;
using System.Text.Json;
using System.Text.Unicode;
using Microsoft.Win32.SafeHandles;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>One tensor of a safetensors file; Begin and End are byte offsets into the data after the header.</summary>
internal sealed record SafetensorsEntry(string Name, TensorType Type, long[] Shape, long Begin, long End);

/// <summary>
/// The header of a safetensors file: u64 length N, N bytes of JSON, then the data. All rules are checked before any of it is used, in the order of
/// the format's reference reader, each with its own message.
/// </summary>
internal sealed class SafetensorsHeader
{
    /// <summary>The longest header that is accepted, in bytes: the reference reader's limit.</summary>
    public const long MaximumLength = 100_000_000;

    private const string Damaged = "The file is damaged or incomplete: download or export it again.";

    private readonly string _file;
    private readonly Dictionary<string, RawEntry> _raw = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _metadata = new(StringComparer.Ordinal);

    private SafetensorsHeader(string file, byte[] json) => (_file, Json) = (file, json);

    /// <summary>The bytes of the header.</summary>
    public byte[] Json { get; }

    /// <summary>The texts under <c>__metadata__</c>.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _metadata;

    /// <summary>The tensors in the order of their data.</summary>
    public IReadOnlyList<SafetensorsEntry> Entries { get; private set; } = [];

    /// <summary>Where the data begins in the file.</summary>
    public long DataOffset => 8 + Json.Length;

    /// <summary>Reads and checks the header of an open file.</summary>
    public static SafetensorsHeader Read(SafeFileHandle handle, string file)
    {
        var fileLength = RandomAccess.GetLength(handle);
        if (fileLength < 8)
            throw new NlftException(file, $"{fileLength} bytes", "at least the 8 bytes of the header length", Damaged);

        Span<byte> prefix = stackalloc byte[8];
        ReadExactly(handle, prefix, 0);
        if (prefix.SequenceEqual("version "u8))
        {
            throw new NlftException(file, "a Git LFS pointer", "the safetensors file itself",
                "Run 'git lfs pull' in the folder, or download the file.");
        }
        var length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (length > MaximumLength)
        {
            throw new NlftException(file, $"a header of {length} bytes", $"at most {MaximumLength}",
                "This is no safetensors file, or it is damaged: download or export it again.");
        }
        if (8 + (long)length > fileLength)
            throw new NlftException(file, $"a header of {length} bytes in a file of {fileLength}", "a header that ends inside the file", Damaged);

        var json = new byte[length];
        ReadExactly(handle, json, 8);
        var header = new SafetensorsHeader(file, json);
        header.Parse();
        header.Validate(fileLength);
        return header;
    }

    private void Parse()
    {
        if (!Utf8.IsValid(Json)) throw Fault("header bytes that are not UTF-8", "a header in UTF-8");
        try
        {
            var reader = new Utf8JsonReader(Json);
            reader.Read();
            Expect(reader, JsonTokenType.StartObject, "the header", "a JSON object");
            var names = new HashSet<string>(StringComparer.Ordinal);
            while (NextKey(ref reader, names, "header") is { } name)
            {
                if (name == "__metadata__") ParseMetadata(ref reader);
                else _raw.Add(name, ParseEntry(ref reader, name));
            }
            if (reader.Read()) throw Fault("more after the header's closing brace", "one JSON object");
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            throw new NlftException(_file, $"a header that is not valid JSON ({exception.Message})", "a JSON object", Damaged, exception);
        }
    }

    private void ParseMetadata(ref Utf8JsonReader reader)
    {
        Expect(reader, JsonTokenType.StartObject, "__metadata__", "an object of texts");
        var names = new HashSet<string>(StringComparer.Ordinal);
        while (NextKey(ref reader, names, "__metadata__") is { } name)
        {
            Expect(reader, JsonTokenType.String, $"__metadata__ key \"{name}\"", "a text");
            _metadata.Add(name, reader.GetString()!);
        }
    }

    private RawEntry ParseEntry(ref Utf8JsonReader reader, string tensor)
    {
        var place = $"tensor \"{tensor}\"";
        Expect(reader, JsonTokenType.StartObject, place, "an object with dtype, shape and data_offsets");
        TensorType? type = null;
        List<ulong>? shape = null, offsets = null;
        var names = new HashSet<string>(StringComparer.Ordinal);
        while (NextKey(ref reader, names, place) is { } name)
        {
            switch (name)
            {
                case "dtype":
                    Expect(reader, JsonTokenType.String, $"dtype of {place}", "a text");
                    var dtype = reader.GetString()!;
                    type = TensorTypes.TryParse(dtype, out var parsed) ? parsed
                        : throw Fault($"dtype \"{dtype}\"", $"one of {TensorTypes.AllNames}", tensor, "Convert the tensor to one of these types.");
                    break;
                case "shape":
                    shape = ParseIntegers(ref reader, $"shape of {place}");
                    break;
                case "data_offsets":
                    offsets = ParseIntegers(ref reader, $"data_offsets of {place}");
                    if (offsets.Count != 2) throw Fault($"{offsets.Count} data_offsets", "two: begin and end", tensor);
                    break;
                default:
                    throw Fault($"key \"{name}\"", "only dtype, shape and data_offsets", tensor);
            }
        }
        return type is { } t && shape is not null && offsets is not null ? new RawEntry(tensor, t, shape, offsets[0], offsets[1])
            : throw Fault($"no {(type is null ? "dtype" : shape is null ? "shape" : "data_offsets")}", "dtype, shape and data_offsets", tensor);
    }

    private List<ulong> ParseIntegers(ref Utf8JsonReader reader, string place)
    {
        Expect(reader, JsonTokenType.StartArray, place, "a list of integers");
        var values = new List<ulong>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            Expect(reader, JsonTokenType.Number, place, "a list of integers");
            values.Add(reader.TryGetUInt64(out var value) ? value
                : throw Fault($"{Text(reader)} in {place}", $"integers from 0 to {ulong.MaxValue}"));
        }
        return values;
    }

    /// <summary>
    /// Checks that the tensors cover the data without gaps or overlaps, have the sizes that type and shape require, and end with the file.
    /// </summary>
    private void Validate(long fileLength)
    {
        var entries = new List<SafetensorsEntry>(_raw.Count);
        ulong next = 0;
        foreach (var raw in _raw.Values.OrderBy(entry => entry.Begin).ThenBy(entry => entry.End))
        {
            if (raw.Begin != next || raw.End < raw.Begin)
                throw Fault($"data_offsets [{raw.Begin}, {raw.End}]", $"a begin of {next} (no hole, no overlap) and an end not before it", raw.Name);
            next = raw.End;
            ulong bits;
            try
            {
                bits = checked(raw.Shape.Aggregate(1UL, (product, size) => checked(product * size)) * (ulong)raw.Type.BitSize());
                _ = raw.Shape.Select(size => checked((long)size)).ToArray();
            }
            catch (OverflowException exception)
            {
                throw new NlftException(Place(raw.Name), $"shape [{string.Join(", ", raw.Shape)}] of {raw.Type.FileName()}",
                    "a size that fits in 64 bits", Damaged, exception);
            }
            if (bits % 8 != 0)
                throw Fault($"shape [{string.Join(", ", raw.Shape)}] of {raw.Type.FileName()}, {bits} bits", "a whole number of bytes", raw.Name);
            if (raw.End - raw.Begin != bits / 8)
            {
                throw Fault($"{raw.End - raw.Begin} bytes of data",
                    $"{bits / 8} for shape [{string.Join(", ", raw.Shape)}] of {raw.Type.FileName()}", raw.Name);
            }
            entries.Add(new SafetensorsEntry(raw.Name, raw.Type, [.. raw.Shape.Select(size => (long)size)], (long)raw.Begin, (long)raw.End));
        }
        if (next != (ulong)(fileLength - DataOffset))
            throw Fault($"{fileLength - DataOffset} bytes after the header", $"{next}, the end of the last tensor");
        Entries = entries;
    }

    /// <summary>Moves to the next key's value and returns the key, or null at the object's end.</summary>
    private string? NextKey(ref Utf8JsonReader reader, HashSet<string> seen, string place)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.EndObject) return null;
        var name = reader.GetString()!;
        if (!seen.Add(name)) throw Fault($"key \"{name}\" twice in {place}", "every key once");
        reader.Read();
        return name;
    }

    private void Expect(in Utf8JsonReader reader, JsonTokenType token, string place, string expected)
    {
        if (reader.TokenType != token) throw Fault($"{Text(reader)} as {place}", expected);
    }

    private static string Text(in Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.StartObject => "an object",
        JsonTokenType.StartArray => "a list",
        JsonTokenType.String => $"\"{reader.GetString()}\"",
        _ => System.Text.Encoding.UTF8.GetString(reader.ValueSpan),
    };

    private string Place(string? tensor) => tensor is null ? _file : $"{_file}, tensor \"{tensor}\"";

    private NlftException Fault(string found, string expected, string? tensor = null, string remedy = Damaged) =>
        new(Place(tensor), found, expected, remedy);

    private static void ReadExactly(SafeFileHandle handle, Span<byte> buffer, long offset)
    {
        for (var done = 0; done < buffer.Length;)
        {
            var read = RandomAccess.Read(handle, buffer[done..], offset + done);
            if (read == 0) throw new EndOfStreamException();
            done += read;
        }
    }

    private sealed record RawEntry(string Name, TensorType Type, List<ulong> Shape, ulong Begin, ulong End);
}
