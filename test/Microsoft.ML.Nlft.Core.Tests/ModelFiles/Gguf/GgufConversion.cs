using System.Runtime.InteropServices;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Reliability.Fuzzing;

namespace Microsoft.ML.Nlft.Tests.ModelFiles.Gguf;

/// <summary>Writes a model folder as a GGUF file in float32, by the conventions of llama.cpp's converter: the inverse of what is tested.</summary>
internal static class GgufConversion
{
    private static readonly string[] s_paired = ["llama", "mistral", "granite", "smollm3"];

    public static byte[] Convert(ModelFolder model)
    {
        var c = model.Configuration;
        var architecture = c.ModelType;
        var bytes = new GgufBytes().Add("general.architecture", architecture);
        Key("block_count", (uint)c.LayerCount).Key("context_length", (uint)c.MaximumPositions).Key("embedding_length", (uint)c.HiddenSize)
            .Key("feed_forward_length", (uint)c.IntermediateSize).Key("attention.head_count", (uint)c.HeadCount)
            .Key("attention.head_count_kv", (uint)c.KeyValueHeadCount).Key("attention.key_length", (uint)c.HeadSize)
            .Key("attention.value_length", (uint)c.HeadSize).Key("attention.layer_norm_rms_epsilon", (float)c.NormEpsilon)
            .Key("rope.freq_base", (float)c.Rope.Theta).Key("rope.dimension_count", (uint)c.Rope.RotatedSize(c.HeadSize))
            .Key("vocab_size", (uint)c.VocabularySize);
        if (c.BeginningOfSequenceId is { } first) bytes.Add("tokenizer.ggml.bos_token_id", (uint)first);
        foreach (var (role, id) in new[] { "eos", "eot", "eom" }.Zip(c.EndOfSequenceIds)) bytes.Add($"tokenizer.ggml.{role}_token_id", (uint)id);
        if (c.SlidingWindows.Max() is > 0 and var window) Key("attention.sliding_window", (uint)window);
        if (c.ModelType == "granite")
        {
            Key("attention.scale", (float)c.AttentionMultiplier!.Value).Key("embedding_scale", (float)c.EmbeddingMultiplier)
                .Key("residual_scale", (float)c.ResidualMultiplier).Key("logit_scale", (float)c.LogitsDivisor);
        }
        AddRope();
        foreach (var weight in ModelLayout.Weights(c))
        {
            var values = model.Tensor(weight.Name, weight.Shape).ToArray();
            var name = NameOf(weight.Name, architecture);
            if (s_paired.Contains(c.ModelType) && name.Contains(".attn_q.", StringComparison.Ordinal))
            {
                values = Pair(values,
                c.HeadCount * c.HeadSize, c.HeadSize);
            }
            if (s_paired.Contains(c.ModelType) && name.Contains(".attn_k.", StringComparison.Ordinal))
            {
                values = Pair(values,
                c.KeyValueHeadCount * c.HeadSize, c.HeadSize);
            }
            Floats(name, [.. weight.Shape.Select(size => (ulong)size)], values);
        }
        return bytes.Build();

        Chain Key(string key, object value)
        {
            bytes.Add($"{architecture}.{key}", value);
            return new Chain(Key);
        }

        void Floats(string name, ulong[] shape, float[] values) => bytes.Tensor(name, 0, shape, MemoryMarshal.AsBytes(values.AsSpan()).ToArray());

        void AddRope()
        {
            var rope = c.Rope;
            if (rope.Type == "llama3")
            {
                var plain = RopeFrequencies.Of(rope with { Type = "default" }, c.HeadSize).Frequencies;
                var divisors = RopeFrequencies.Of(rope, c.HeadSize).Frequencies.Select((scaled, i) => (float)(plain[i] / scaled)).ToArray();
                Floats("rope_freqs.weight", [(ulong)divisors.Length], divisors);
            }
            else if (rope.Type == "longrope")
            {
                Floats("rope_factors_short.weight", [(ulong)rope.ShortFactors.Count], [.. rope.ShortFactors.Select(value => (float)value)]);
                Floats("rope_factors_long.weight", [(ulong)rope.LongFactors.Count], [.. rope.LongFactors.Select(value => (float)value)]);
                Key("rope.scaling.attn_factor", (float)RopeFrequencies.Of(rope, c.HeadSize).Magnitude);
                Key("rope.scaling.original_context_length", (uint)rope.OriginalMaximumPositions);
            }
            else if (rope.Type != "default")
            {
                Key("rope.scaling.type", rope.Type).Key("rope.scaling.factor", (float)rope.Factor)
                    .Key("rope.scaling.original_context_length", (uint)rope.OriginalMaximumPositions);
            }
        }
    }

    /// <summary>Puts the rows of every rotary pair side by side: row h d + s d/2 + i becomes row h d + 2 i + s.</summary>
    private static float[] Pair(float[] values, int rows, int headSize)
    {
        var moved = new float[values.Length];
        var (columns, half) = (values.Length / rows, headSize / 2);
        for (var row = 0; row < rows; row++)
        {
            var (head, within) = (row / headSize, row % headSize);
            var target = head * headSize + within % half * 2 + within / half;
            values.AsSpan(row * columns, columns).CopyTo(moved.AsSpan(target * columns));
        }
        return moved;
    }

    /// <summary>The name in the file, found by trying all names that it may be.</summary>
    private static string NameOf(string name, string architecture)
    {
        string[] modules =
        [
            "attn_norm", "attn_q", "attn_k", "attn_v", "attn_qkv", "attn_q_norm", "attn_k_norm", "attn_output", "post_attention_norm", "ffn_norm",
            "ffn_gate", "ffn_up", "ffn_down", "post_ffw_norm",
        ];
        var known = GgufArchitecture.Of(Metadata(architecture));
        var kind = name[name.LastIndexOf('.')..];
        var layer = name.Split('.').FirstOrDefault(part => part.All(char.IsAsciiDigit)) ?? "0";
        return new[] { "token_embd", "output_norm", "output" }.Concat(modules.Select(module => $"blk.{layer}.{module}"))
            .Select(module => module + kind).Single(candidate => known.HuggingFaceName(candidate) == name);
    }

    private static GgufMetadata Metadata(string architecture)
    {
        var metadata = new GgufMetadata("");
        metadata.TryAdd("general.architecture", architecture);
        return metadata;
    }

    private sealed record Chain(Func<string, object, Chain> Add)
    {
        public Chain Key(string key, object value) => Add(key, value);
    }
}
