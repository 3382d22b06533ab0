using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>Mutates safetensors files (length, JSON, data). Headers change as JSON and usually keep a correct length.</summary>
internal static class Framed
{
    private static readonly ulong[] s_lengths = [0, 1, 7, 8, 100_000_000, 100_000_001, int.MaxValue, uint.MaxValue, long.MaxValue, ulong.MaxValue,
        ulong.MaxValue - 7];

    /// <summary>Changes the header, the length or the data.</summary>
    public static byte[] Mutate(Draw random, byte[] input)
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
    public static byte[] MutateCheckpoint(Draw random, byte[] input)
    {
        if (random.Next(3) == 0) return Mutate(random, input);
        try
        {
            return Forge(random.Next(2) == 0 ? Mutate(random, input) : input, state =>
                random.Next(3) == 0 ? state : Encoding.UTF8.GetString(Json.Mutate(random, Encoding.UTF8.GetBytes(state))));
        }
        catch (Exception e) when (e is JsonException or ArgumentException or InvalidOperationException or FormatException or OverflowException
            or NullReferenceException)
        {
            return Mutate(random, input);
        }
    }

    /// <summary>Splits a safetensors file in two.</summary>
    /// <returns>The first <paramref name="count"/> tensors, and the others.</returns>
    public static (byte[] First, byte[] Others) Split(byte[] file, int count)
    {
        var tensors = Read(file, out _);
        return (Write(tensors.Take(count), null), Write(tensors.Skip(count), null));
    }

    /// <summary>Reads the names of a safetensors file's tensors.</summary>
    public static IEnumerable<string> Names(byte[] file) => Read(file, out _).Select(tensor => tensor.Name);

    /// <summary>Returns a checkpoint with a changed state and a correct hash.</summary>
    private static byte[] Forge(byte[] file, Func<string, string> change)
    {
        const string stateKey = "nlft.checkpoint", hashKey = "sha256";
        var tensors = Read(file, out var metadata);
        var state = change(metadata?[stateKey]?.GetValue<string>() ?? "{}");
        return Write(tensors, new JsonObject { [stateKey] = state, [hashKey] = Hash(state, tensors) });
    }

    private static List<Tensor> Read(byte[] file, out JsonObject? metadata)
    {
        var length = checked((int)BinaryPrimitives.ReadUInt64LittleEndian(file));
        var header = JsonNode.Parse(file.AsSpan(8, length))!.AsObject();
        metadata = header["__metadata__"]?.AsObject();
        var data = 8 + length;
        return [.. header.Where(pair => pair.Key != "__metadata__").Select(pair =>
        {
            var (begin, end) = (pair.Value!["data_offsets"]![0]!.GetValue<int>(), pair.Value["data_offsets"]![1]!.GetValue<int>());
            return new Tensor(pair.Key, pair.Value["dtype"]!.GetValue<string>(), [.. pair.Value["shape"]!.AsArray().Select(n => n!.GetValue<long>())],
                file[checked(data + begin)..checked(data + end)]);
        })];
    }

    private static byte[] Write(IEnumerable<Tensor> tensors, JsonObject? metadata)
    {
        var (header, data) = (new JsonObject(), new List<byte>());
        if (metadata is not null) header["__metadata__"] = metadata;
        foreach (var (name, type, shape, bytes) in tensors)
        {
            header[name] = new JsonObject
            {
                ["dtype"] = type, ["shape"] = JsonSerializer.SerializeToNode(shape),
                ["data_offsets"] = new JsonArray(data.Count, data.Count + bytes.Length),
            };
            data.AddRange(bytes);
        }
        var json = Encoding.UTF8.GetBytes(header.ToJsonString());
        var prefix = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(prefix, (ulong)json.Length);
        return [.. prefix, .. json, .. data];
    }

    /// <summary>Computes the hash of a checkpoint: over state, names, types, shapes and bytes.</summary>
    private static string Hash(string state, IEnumerable<Tensor> tensors)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(state);
        foreach (var tensor in tensors.OrderBy(tensor => tensor.Name, StringComparer.Ordinal))
        {
            Append($"{tensor.Name} {tensor.Type} [{string.Join(", ", tensor.Shape)}]");
            hash.AppendData(tensor.Bytes);
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());

        void Append(string text)
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            hash.AppendData(BitConverter.GetBytes(bytes.Length));
            hash.AppendData(bytes);
        }
    }

    private sealed record Tensor(string Name, string Type, long[] Shape, byte[] Bytes);
}
