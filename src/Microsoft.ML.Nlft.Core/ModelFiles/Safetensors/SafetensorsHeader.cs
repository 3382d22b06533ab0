using System.Buffers.Binary;
using System.Text.Json;
using Microsoft.ML.Nlft.Common;

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

    /// <summary>The most dimensions of a tensor: NumPy's limit. A longer shape is a damaged file, and is refused before it takes memory.</summary>
    private const int MaximumDimensions = 64;

    private const string Damaged = "The file is damaged or incomplete: download or export it again.";

    private readonly string _file;
    private readonly List<RawEntry> _raw = [];
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
    public static SafetensorsHeader Read(StoredFile stored)
    {
        var (file, fileLength) = (stored.Path, stored.Length);
        if (fileLength < 8)
            throw new NlftException(file, $"{fileLength} bytes", "at least the 8 bytes of the header length", Damaged);

        Span<byte> prefix = stackalloc byte[8];
        stored.Read(0, prefix, file);
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
        stored.Read(8, json, file);
        var header = new SafetensorsHeader(file, json);
        header.Parse();
        header.Validate(fileLength);
        return header;
    }

    private void Parse()
    {
        var header = JsonFile.Parse(Json, new(_file, "a safetensors header") { FileRemedy = Damaged, ValueRemedy = Damaged, TextRemedy = Damaged });
        foreach (var (name, value) in header.Members())
        {
            if (name == "__metadata__")
            {
                foreach (var (key, text) in value.Members()) _metadata.Add(key, text.String());
            }
            else
            {
                _raw.Add(ParseEntry(name, value));
            }
        }
    }

    private RawEntry ParseEntry(string tensor, JsonPlace entry)
    {
        TensorType? type = null;
        ulong[]? shape = null, offsets = null;
        foreach (var (name, value) in entry.Members())
        {
            switch (name)
            {
                case "dtype":
                    type = TensorTypes.TryParse(value.String(), out var parsed) ? parsed
                        : throw value.Refuse($"one of {TensorTypes.AllNames}", "Convert the tensor to one of these types.");
                    break;
                case "shape":
                    shape = Integers(value);
                    break;
                case "data_offsets":
                    offsets = Integers(value);
                    if (offsets.Length != 2) throw value.Refuse("two integers: begin and end");
                    break;
                default:
                    throw Fault($"key \"{name}\"", "only dtype, shape and data_offsets", tensor);
            }
        }
        return type is { } t && shape is not null && offsets is not null ? new RawEntry(tensor, t, shape, offsets[0], offsets[1])
            : throw Fault($"no {(type is null ? "dtype" : shape is null ? "shape" : "data_offsets")}", "dtype, shape and data_offsets", tensor);
    }

    private static ulong[] Integers(JsonPlace list)
    {
        var items = list.Items(); // checks that it is a list
        if (list.Value.GetArrayLength() > MaximumDimensions) throw list.Refuse($"a list of at most {MaximumDimensions} integers");
        return
        [
            .. items.Select(item => item.Value.ValueKind == JsonValueKind.Number && item.Value.TryGetUInt64(out var value) ? value
                : throw item.Refuse($"an integer from 0 to {ulong.MaxValue}")),
        ];
    }

    /// <summary>
    /// Checks that the tensors cover the data without gaps or overlaps, have the sizes that type and shape require, and end with the file.
    /// </summary>
    private void Validate(long fileLength)
    {
        var entries = new List<SafetensorsEntry>(_raw.Count);
        ulong next = 0;
        foreach (var raw in _raw.OrderBy(entry => entry.Begin).ThenBy(entry => entry.End))
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

    private string Place(string? tensor) => tensor is null ? _file : $"{_file}, tensor \"{tensor}\"";

    private NlftException Fault(string found, string expected, string? tensor = null, string remedy = Damaged) =>
        new(Place(tensor), found, expected, remedy);

    private sealed record RawEntry(string Name, TensorType Type, ulong[] Shape, ulong Begin, ulong End);
}
