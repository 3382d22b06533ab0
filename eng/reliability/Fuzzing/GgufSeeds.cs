using System.Text;

namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>Tiny models in GGUF files, and their mutation.</summary>
internal static class GgufSeeds
{
    private const int Vocabulary = 12, Hidden = 8, Intermediate = 32, Heads = 2, KeyHeads = 1, HeadSize = 4;
    private static readonly ulong[] s_numbers = [0, 1, 2, 3, 7, 12, 13, 31, 32, 33, 63, 1 << 16, int.MaxValue, uint.MaxValue, long.MaxValue,
        ulong.MaxValue];

    private static readonly float[] s_floats = [0, -1, 1, 0.5f, 1e-30f, 1e30f, float.NaN, float.PositiveInfinity, 10000];

    /// <summary>Gets a model with byte-level tokens, one with SentencePiece-style tokens and one with experts.</summary>
    public static IReadOnlyList<byte[]> All { get; } =
    [
        Weights(ByteLevel(new()), layers: 1).Build(), Weights(SentencePiece(new()), layers: 2).Build(),
        Weights(ByteLevel(new()), layers: 1, experts: 2).Build(),
    ];

    /// <summary>
    /// Adds the metadata and the weights of a llama model of two layers, whose ffn_down is quantised: as Q8_0, that of experts as IQ4_NL.
    /// </summary>
    public static GgufBytes Weights(GgufBytes bytes, int layers = 2, int experts = 0)
    {
        var random = new Random(5);
        bytes.Add("general.architecture", "llama").Add("llama.block_count", (uint)layers).Add("llama.context_length", 32u)
            .Add("llama.embedding_length", (uint)Hidden).Add("llama.feed_forward_length", (uint)Intermediate)
            .Add("llama.attention.head_count", (uint)Heads).Add("llama.attention.head_count_kv", (uint)KeyHeads)
            .Add("llama.attention.layer_norm_rms_epsilon", 1e-5f).Add("llama.rope.freq_base", 10000f)
                .Add("llama.rope.dimension_count", (uint)HeadSize);
        if (experts > 0) bytes.Add("llama.expert_count", (uint)experts).Add("llama.expert_used_count", 2u);
        Tensor("token_embd", Vocabulary, Hidden);
        for (var layer = 0; layer < layers; layer++)
        {
            var block = $"blk.{layer}.";
            Norm(block + "attn_norm");
            Tensor(block + "attn_q", Heads * HeadSize, Hidden);
            Tensor(block + "attn_k", KeyHeads * HeadSize, Hidden);
            Tensor(block + "attn_v", KeyHeads * HeadSize, Hidden);
            Tensor(block + "attn_output", Hidden, Heads * HeadSize);
            Norm(block + "ffn_norm");
            if (experts > 0) Tensor(block + "ffn_gate_inp", experts, Hidden);
            foreach (var name in new[] { "ffn_gate", "ffn_up" })
            {
                if (experts == 0) Tensor(block + name, Intermediate, Hidden);
                else Tensor(block + name + "_exps", experts, Intermediate, Hidden);
            }
            if (experts == 0) Quantised(block + "ffn_down", type: 8, size: 34, Hidden, Intermediate);
            else Quantised(block + "ffn_down_exps", type: 20, size: 18, experts, Hidden, Intermediate);
        }
        Norm("output_norm");
        return bytes;

        void Norm(string name) => bytes.Floats(name + ".weight", [Hidden], [.. Enumerable.Range(0, Hidden).Select(i => 1 + i / 16f)]);

        void Tensor(string name, params int[] shape) => bytes.Floats(name + ".weight", [.. shape.Select(size => (ulong)size)],
            [.. Enumerable.Range(0, shape.Aggregate((product, size) => product * size)).Select(_ => random.NextSingle() - 0.5f)]);

        // One block in a row, which begins with its scale.
        void Quantised(string name, uint type, int size, params int[] shape)
        {
            var blocks = new byte[shape[..^1].Aggregate((product, rows) => product * rows) * size];
            random.NextBytes(blocks);
            for (var at = 0; at < blocks.Length; at += size) BitConverter.GetBytes((Half)0.01).CopyTo(blocks, at);
            bytes.Tensor(name + ".weight", type, [.. shape.Select(count => (ulong)count)], blocks);
        }
    }

    /// <summary>Adds a byte-level vocabulary.</summary>
    public static GgufBytes ByteLevel(GgufBytes bytes) => bytes.Add("tokenizer.ggml.model", "gpt2").Add("tokenizer.ggml.pre", "smollm")
        .Add("tokenizer.ggml.tokens", new[] { "<|im_start|>", "<|im_end|>", "a", "b", "ab", "Ġ", "Ġa", "1", "2", "<tool>", "Ċ", "x" })
        .Add("tokenizer.ggml.token_type", new[] { 3, 3, 1, 1, 1, 1, 1, 1, 1, 4, 1, 5 }).Add("tokenizer.ggml.merges", new[] { "a b", "Ġ a" })
        .Add("tokenizer.ggml.bos_token_id", 0u).Add("tokenizer.ggml.eos_token_id", 1u).Add("tokenizer.ggml.add_bos_token", true)
        .Add("tokenizer.chat_template", "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}"
            + "{% if add_generation_prompt %}<|im_start|>{% endif %}");

    private static GgufBytes SentencePiece(GgufBytes bytes) => bytes.Add("tokenizer.ggml.model", "llama")
        .Add("tokenizer.ggml.tokens", new[] { "<unk>", "<s>", "</s>", "<0x61>", "\u2581", "a", "b", "ab", "\u2581a", "  ", "c", "1" })
        .Add("tokenizer.ggml.scores", new[] { 0f, 0, 0, 0, -9, -9, -9, -1, -2, 0, -3, -9 })
        .Add("tokenizer.ggml.token_type", new[] { 2, 3, 3, 6, 1, 1, 1, 1, 1, 4, 5, 1 })
        .Add("tokenizer.ggml.bos_token_id", 1u).Add("tokenizer.ggml.eos_token_id", 2u).Add("tokenizer.ggml.unknown_token_id", 0u);

    /// <summary>Changes keys, values and tensors; or bytes anywhere; or writes a number of four or eight bytes over those of the header.</summary>
    public static byte[] Mutate(Draw random, byte[] input)
    {
        if (input.Length < 64 || random.Next(6) == 0) return Bytes.Mutate(random, input);
        if (random.Next(3) > 0 && Restructure(random, input) is { } file) return file;
        var changed = (byte[])input.Clone();
        for (var changes = random.Next(1, 3); changes > 0; changes--)
        {
            var number = BitConverter.GetBytes(s_numbers[random.Next(s_numbers.Length)]).AsSpan(0, random.Next(2) == 0 ? 4 : 8);
            number.CopyTo(changed.AsSpan(random.Next(Math.Min(changed.Length, 2500) - 8)));
        }
        return changed;
    }

    private static byte[]? Restructure(Draw random, byte[] input)
    {
        try
        {
            var file = GgufBytes.Read(input);
            for (var changes = random.Next(1, 4); changes > 0; changes--) file.Change(random, value => Other(random, value));
            return file.Build();
        }
        catch (Exception e) when (e is IOException or InvalidDataException or ArgumentException or OverflowException)
        {
            return null; // damaged before
        }
    }

    /// <summary>Returns another value, most often of the same type.</summary>
    private static object Other(Draw random, object value) => value switch
    {
        string when random.HasWords && random.Next(2) == 0 => random.Word(),
        string text => Encoding.UTF8.GetString(Bytes.Mutate(random, Encoding.UTF8.GetBytes(text))),
        string[] { Length: > 0 } list => Items(random, list, text => (string)Other(random, text)),
        float[] { Length: > 0 } list => Items(random, list, _ => s_floats[random.Next(s_floats.Length)]),
        int[] { Length: > 0 } list => Items(random, list, _ => unchecked((int)s_numbers[random.Next(s_numbers.Length)])),
        float => s_floats[random.Next(s_floats.Length)],
        bool flag => !flag,
        _ => random.Next(4) switch
        {
            0 => unchecked((uint)s_numbers[random.Next(s_numbers.Length)]), 1 => "a", 2 => (object)s_floats[random.Next(s_floats.Length)],
            _ => (uint)random.Next(8),
        },
    };

    private static T[] Items<T>(Draw random, T[] list, Func<T, T> other)
    {
        var at = random.Next(list.Length);
        return random.Next(4) switch
        {
            0 => [.. list[..at], .. list[(at + 1)..]],
            1 => [.. list, list[at]],
            _ => [.. list[..at], other(list[at]), .. list[(at + 1)..]],
        };
    }
}
