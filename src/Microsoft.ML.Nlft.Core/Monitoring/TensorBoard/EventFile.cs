using System.Buffers.Binary;
using System.Numerics;
using Google.Protobuf;
using static Google.Protobuf.WireFormat.WireType;

namespace Microsoft.ML.Nlft.Monitoring.TensorBoard;

/// <summary>
/// Writes an event file for TensorBoard: records in TensorFlow's TFRecord format, each with an Event message. The constants are the field numbers of
/// tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto and tensor.proto.
/// </summary>
internal sealed class EventFile : IDisposable
{
    private const int WallTime = 1, Step = 2, FileVersion = 3, Summary = 5; // Event
    private const int SummaryValue = 1, Tag = 1, SimpleValue = 2, Tensor = 8, Metadata = 9; // Summary, Summary.Value
    private const int PluginData = 1, PluginName = 1, DataClass = 4, TensorClass = 2; // SummaryMetadata, its PluginData and DataClass
    private const int DataType = 1, Shape = 2, StringValue = 8, StringType = 7; // TensorProto, its DataType

    private readonly FileStream _stream;

    /// <summary>Creates the file and writes the record that names the format.</summary>
    /// <param name="path">The file; it must not exist.</param>
    /// <param name="wallTime">The time of the record, in seconds since 1970-01-01 UTC.</param>
    public EventFile(string path, double wallTime)
    {
        _stream = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.Read);
        WriteRecord(record =>
        {
            WriteDouble(record, WallTime, wallTime);
            WriteString(record, FileVersion, "brain.Event:2");
        });
    }

    /// <summary>Writes the scalars of one step.</summary>
    public void Scalars(double wallTime, long step, IEnumerable<(string Tag, double Value)> scalars) => WriteEvent(wallTime, step, summary =>
    {
        foreach (var (tag, value) in scalars)
        {
            WriteMessage(summary, SummaryValue, message =>
            {
                WriteString(message, Tag, tag);
                message.WriteTag(SimpleValue, Fixed32);
                message.WriteFloat((float)value);
            });
        }
    });

    /// <summary>Writes a text in Markdown: a string tensor of rank 0, marked for TensorBoard's text plugin.</summary>
    public void Markdown(double wallTime, string tag, string text, long step = 0) =>
        WriteEvent(wallTime, step, summary => WriteMessage(summary, SummaryValue, value =>
    {
        WriteString(value, Tag, tag);
        WriteMessage(value, Metadata, metadata =>
        {
            WriteMessage(metadata, PluginData, plugin => WriteString(plugin, PluginName, "text"));
            WriteInteger(metadata, DataClass, TensorClass);
        });
        WriteMessage(value, Tensor, tensor =>
        {
            WriteInteger(tensor, DataType, StringType);
            WriteMessage(tensor, Shape, _ => { });
            WriteString(tensor, StringValue, text);
        });
    }));

    public void Dispose() => _stream.Dispose();

    /// <summary>
    /// Computes the CRC-32C (Castagnoli) of a record, rotated right by 15 bits and offset: a CRC over data that contains CRCs is weak.
    /// </summary>
    internal static uint MaskedCrc(ReadOnlySpan<byte> data)
    {
        var crc = uint.MaxValue;
        for (; data.Length >= sizeof(ulong); data = data[sizeof(ulong)..])
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(data));
        foreach (var part in data) crc = BitOperations.Crc32C(crc, part);
        return BitOperations.RotateRight(~crc, 15) + 0xA282EAD8;
    }

    private void WriteEvent(double wallTime, long step, Action<CodedOutputStream> summary) => WriteRecord(record =>
    {
        WriteDouble(record, WallTime, wallTime);
        WriteInteger(record, Step, step);
        WriteMessage(record, Summary, summary);
    });

    /// <summary>
    /// Writes the length of the message (8 bytes), its CRC, the message and its CRC, and flushes, so that a reader sees whole records.
    /// </summary>
    private void WriteRecord(Action<CodedOutputStream> message)
    {
        var data = Encode(message);
        var record = new byte[sizeof(ulong) + sizeof(uint) + data.Length + sizeof(uint)];
        BinaryPrimitives.WriteUInt64LittleEndian(record, (ulong)data.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(sizeof(ulong)), MaskedCrc(record.AsSpan(0, sizeof(ulong))));
        data.CopyTo(record, sizeof(ulong) + sizeof(uint));
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(record.Length - sizeof(uint)), MaskedCrc(data));
        _stream.Write(record);
        _stream.Flush();
    }

    private static byte[] Encode(Action<CodedOutputStream> message)
    {
        var bytes = new MemoryStream();
        using (var output = new CodedOutputStream(bytes)) message(output);
        return bytes.ToArray();
    }

    private static void WriteMessage(CodedOutputStream output, int field, Action<CodedOutputStream> message)
    {
        output.WriteTag(field, LengthDelimited);
        output.WriteBytes(ByteString.CopyFrom(Encode(message)));
    }

    private static void WriteString(CodedOutputStream output, int field, string value)
    {
        output.WriteTag(field, LengthDelimited);
        output.WriteString(value);
    }

    private static void WriteDouble(CodedOutputStream output, int field, double value)
    {
        output.WriteTag(field, Fixed64);
        output.WriteDouble(value);
    }

    private static void WriteInteger(CodedOutputStream output, int field, long value)
    {
        output.WriteTag(field, Varint);
        output.WriteInt64(value);
    }
}
