using System.Buffers.Binary;
using System.Numerics;

namespace Microsoft.ML.Nlft.Monitoring.TensorBoard;

/// <summary>
/// An event file as TensorBoard reads it: records of TensorFlow's TFRecord format, each an Event message (tensorflow/core/util/event.proto,
/// tensorflow/core/framework/summary.proto and tensor.proto; the numbers below are their field numbers).
/// </summary>
internal sealed class EventFile : IDisposable
{
    private const int WallTime = 1, Step = 2, FileVersion = 3, Summary = 5; // Event
    private const int SummaryValue = 1, Tag = 1, SimpleValue = 2, Tensor = 8, Metadata = 9; // Summary, Summary.Value
    private const int PluginData = 1, PluginName = 1, DataClass = 4, TensorClass = 2; // SummaryMetadata, its PluginData and DataClass
    private const int DataType = 1, Shape = 2, StringValue = 8, StringType = 7; // TensorProto, its DataType

    private readonly FileStream _stream;

    /// <summary>Creates the file; its first record names the format.</summary>
    public EventFile(string path, double wallTime)
    {
        _stream = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.Read);
        Write(new ProtocolBuffer().Double(WallTime, wallTime).Text(FileVersion, "brain.Event:2"));
    }

    /// <summary>Numbers of one step.</summary>
    public void Scalars(double wallTime, long step, IEnumerable<(string Tag, double Value)> scalars)
    {
        var summary = new ProtocolBuffer();
        foreach (var (tag, value) in scalars) summary.Message(SummaryValue, new ProtocolBuffer().Text(Tag, tag).Float(SimpleValue, (float)value));
        Write(new ProtocolBuffer().Double(WallTime, wallTime).Integer(Step, step).Message(Summary, summary));
    }

    /// <summary>A text in Markdown: a tensor without dimensions that holds one string, marked for TensorBoard's text plugin.</summary>
    public void Markdown(double wallTime, string tag, string text)
    {
        var metadata = new ProtocolBuffer().Message(PluginData, new ProtocolBuffer().Text(PluginName, "text")).Integer(DataClass, TensorClass);
        var tensor = new ProtocolBuffer().Integer(DataType, StringType).Message(Shape, new ProtocolBuffer()).Text(StringValue, text);
        var value = new ProtocolBuffer().Text(Tag, tag).Message(Metadata, metadata).Message(Tensor, tensor);
        Write(new ProtocolBuffer().Double(WallTime, wallTime).Integer(Step, 0).Message(Summary, new ProtocolBuffer().Message(SummaryValue, value)));
    }

    public void Dispose() => _stream.Dispose();

    /// <summary>A record: its length (8 bytes), the CRC of those, the message, its CRC; handed to the system at once, so that a reader sees it whole.</summary>
    private void Write(ProtocolBuffer message)
    {
        var data = message.ToArray();
        var record = new byte[sizeof(ulong) + sizeof(uint) + data.Length + sizeof(uint)];
        BinaryPrimitives.WriteUInt64LittleEndian(record, (ulong)data.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(sizeof(ulong)), MaskedCrc(record.AsSpan(0, sizeof(ulong))));
        data.CopyTo(record, sizeof(ulong) + sizeof(uint));
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(record.Length - sizeof(uint)), MaskedCrc(data));
        _stream.Write(record);
        _stream.Flush();
    }

    /// <summary>CRC-32C (Castagnoli), rotated right by 15 bits and offset, because a CRC over data that holds CRCs is a weak one.</summary>
    internal static uint MaskedCrc(ReadOnlySpan<byte> data)
    {
        var crc = uint.MaxValue;
        for (; data.Length >= sizeof(ulong); data = data[sizeof(ulong)..]) crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(data));
        foreach (var part in data) crc = BitOperations.Crc32C(crc, part);
        return BitOperations.RotateRight(~crc, 15) + 0xA282EAD8;
    }
}
