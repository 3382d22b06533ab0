namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// A matrix in x out, as a checkpoint of gpt2 has it, of a file that has it out x in. Every read goes over the whole matrix, a row at a time, so that
/// it is never in memory twice.
/// </summary>
/// <param name="stored">The matrix of the file.</param>
internal sealed class TransposedTensor(StoredTensor stored) : StoredTensor
{
    public override string Name => stored.Name;

    public override string Place => stored.Place;

    public override TensorType Type => stored.Type;

    public override string FileType => stored.FileType;

    public override long[] Shape { get; } = [.. stored.Shape.Reverse()];

    public override long Length => stored.Length;

    public override long FileLength => stored.FileLength;

    public override void Read(long offset, Span<byte> bytes)
    {
        var size = Type.ByteSize();
        var (outputs, inputs) = (stored.Shape[0], stored.Shape[^1]);
        var row = new byte[inputs * size];
        for (long output = 0; output < outputs; output++)
        {
            stored.Read(output * row.Length, row);
            for (var input = First(output); input * outputs + output < (offset + bytes.Length) / size; input++)
                row.AsSpan((int)input * size, size).CopyTo(bytes[(int)((input * outputs + output) * size - offset)..]);
        }

        // The first input whose value lies at or behind the offset.
        long First(long output) => Math.Max(0, (offset / size - output + outputs - 1) / outputs);
    }

    public override byte[] Sample(int most, bool middle) => stored.Sample(most, middle);
}
