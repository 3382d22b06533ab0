using System.Buffers.Binary;
using System.Text;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>Mutates safetensors files (length, JSON, data). Headers change as JSON and usually keep a correct length.</summary>
internal static class Framed
{
    private static readonly ulong[] s_lengths = [0, 1, 7, 8, 100_000_000, 100_000_001, int.MaxValue, uint.MaxValue, long.MaxValue, ulong.MaxValue,
        ulong.MaxValue - 7];

    /// <summary>Changes the header, the length or the data.</summary>
    public static byte[] Mutate(Random random, byte[] input)
    {
        if (input.Length < 8 || random.Next(8) == 0) return Bytes.Mutate(random, input);
        var length = (int)Math.Min((ulong)(input.Length - 8), BinaryPrimitives.ReadUInt64LittleEndian(input));
        var (header, data) = (input[8..(8 + length)], input[(8 + length)..]);
        if (random.Next(4) > 0) header = Json.Mutate(random, header);
        if (random.Next(4) == 0) data = Bytes.Mutate(random, data);
        var prefix = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(prefix, random.Next(20) == 0 ? s_lengths[random.Next(s_lengths.Length)] : (ulong)header.Length);
        return [.. prefix, .. header, .. data];
    }

    /// <summary>
    /// Mutates a checkpoint, whose state is JSON inside the header. Half of the time the hash is recomputed, so that the input passes its check.
    /// </summary>
    public static byte[] MutateCheckpoint(Random random, byte[] input)
    {
        if (random.Next(3) == 0) return Mutate(random, input);
        try
        {
            return Forge(random.Next(2) == 0 ? Mutate(random, input) : input, state =>
                random.Next(3) == 0 ? state : Encoding.UTF8.GetString(Json.Mutate(random, Encoding.UTF8.GetBytes(state))));
        }
        catch (Exception e) when (e is NlftException or ArgumentException)
        {
            return Mutate(random, input);
        }
    }

    /// <summary>Returns a checkpoint with a changed state and a correct hash.</summary>
    private static byte[] Forge(byte[] file, Func<string, string> change)
    {
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, file);
            using var opened = SafetensorsFile.Open(path);
            var state = change(opened.Metadata.GetValueOrDefault(Checkpoint.StateKey, "{}"));
            var tensors = opened.Entries.Select(entry => opened.Tensor(entry.Name)).ToList();
            using var stream = new MemoryStream();
            SafetensorsWriter.WriteTo(stream, path, tensors.Select(SafetensorsSource.From),
                new Dictionary<string, string> { [Checkpoint.StateKey] = state, [Checkpoint.HashKey] = Checkpoint.Hash(state, tensors) });
            return stream.ToArray();
        }
        finally
        {
            File.Delete(path);
        }
    }
}
