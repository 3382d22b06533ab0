using System.Runtime.InteropServices;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>Translates the rotary settings of a GGUF file to rope_scaling of config.json.</summary>
internal static class GgufRope
{
    /// <summary>What each frequency is divided by: the result of the settings that Llama 3.1 and later have in config.json.</summary>
    public const string Divisors = "rope_freqs.weight";

    /// <summary>What the frequencies of short and of longer sequences are divided by (Phi-3).</summary>
    public const string ShortDivisors = "rope_factors_short.weight", LongDivisors = "rope_factors_long.weight";

    private const string Remedy = "Use a model with one of these rotary embeddings: positions of any other kind would be wrong.";

    /// <summary>Whether a tensor is one of divisors, not a weight.</summary>
    public static bool IsDivisors(string tensor) => tensor is Divisors or ShortDivisors or LongDivisors;

    /// <summary>Returns rope_scaling, or null where frequencies are not scaled.</summary>
    /// <param name="keys">The keys of the architecture.</param>
    /// <param name="theta">rope_theta.</param>
    /// <param name="rotated">Values of a head that rotate.</param>
    /// <param name="headSize">Width of a head.</param>
    /// <param name="positions">max_position_embeddings.</param>
    public static SortedDictionary<string, object?>? Scaling(GgufKeys keys, double theta, int rotated, int headSize, int positions)
    {
        var factor = keys.Number("rope.scaling.factor") ?? keys.Number("rope.scale_linear") ?? 1;
        var type = keys.Text("rope.scaling.type") ?? (factor == 1 ? "none" : "linear");
        var original = keys.Integer("rope.scaling.original_context_length") ?? positions;
        var hasDivisors = keys.Model.Tensors.ContainsKey(Divisors);
        if (keys.Model.Tensors.ContainsKey(ShortDivisors) || keys.Model.Tensors.ContainsKey(LongDivisors))
        {
            if (hasDivisors || type is not ("none" or "longrope"))
                throw keys.Refuse("rope.scaling.type", $"none or longrope beside {ShortDivisors}, and no {Divisors}", Remedy);
            return LongRope(Read(keys.Model, ShortDivisors, rotated / 2), Read(keys.Model, LongDivisors, rotated / 2), original,
                keys.Number("rope.scaling.attn_factor"));
        }
        if (hasDivisors)
        {
            if (type != "none") throw keys.Refuse("rope.scaling.type", $"none beside {Divisors}", Remedy);
            return Divided(Read(keys.Model, Divisors, rotated / 2), theta, headSize, positions);
        }
        keys.Require("rope.scaling.attn_factor", keys.Number("rope.scaling.attn_factor"), 1.0, Remedy);
        return type switch
        {
            "none" => null,
            "linear" => factor == 1 ? null : new() { ["rope_type"] = "linear", ["factor"] = factor },
            "yarn" => new() { ["rope_type"] = "yarn", ["factor"] = factor, ["original_max_position_embeddings"] = original },
            _ => throw keys.Refuse("rope.scaling.type", "none, linear or yarn", Remedy),
        };
    }

    private static float[] Read(GgufModel model, string name, int pairs)
    {
        if (!model.Tensors.TryGetValue(name, out var tensor))
            throw new NlftException($"{model.Path}, tensor \"{name}\"", "no such tensor", $"one of shape [{pairs}]", GgufMetadata.Remedy);
        var place = $"{tensor.File.Stored.Path}, tensor \"{name}\"";
        if (tensor.Entry.Type != GgufType.F32 || tensor.Entry.Shape is not [var size] || size != pairs)
        {
            throw new NlftException(place, $"shape {TensorTypes.Text(tensor.Entry.Shape)} of {tensor.Entry.Type}",
                $"[{pairs}] of F32, a number per rotary pair", GgufMetadata.Remedy);
        }
        var divisors = new float[pairs];
        tensor.File.Stored.Read(tensor.Entry.Begin, MemoryMarshal.AsBytes(divisors.AsSpan()), place);
        return Array.TrueForAll(divisors, value => float.IsFinite(value) && value > 0) ? divisors
            : throw new NlftException(place, "a number that is not above 0", "finite numbers above 0", GgufMetadata.Remedy);
    }

    /// <summary>
    /// Returns the settings of llama3 if they give these divisors with the published limits, else longrope, whose config.json lists divisors.
    /// </summary>
    private static SortedDictionary<string, object?> Divided(float[] divisors, double theta, int headSize, int positions)
    {
        var published = new RopeConfiguration { Theta = theta, Type = "llama3", Factor = divisors.Max(), OriginalMaximumPositions = 8192 };
        var scaled = RopeFrequencies.Of(published, headSize).Frequencies;
        var plain = RopeFrequencies.Of(published with { Type = "default" }, headSize).Frequencies;
        if (divisors.Select((divisor, i) => Math.Abs(plain[i] / scaled[i] / divisor - 1)).All(error => error < 1e-5))
        {
            return new()
            {
                ["rope_type"] = "llama3", ["factor"] = published.Factor, ["low_freq_factor"] = published.LowFrequencyFactor,
                ["high_freq_factor"] = published.HighFrequencyFactor, ["original_max_position_embeddings"] = published.OriginalMaximumPositions,
            };
        }
        return LongRope(divisors, divisors, positions, magnitude: 1);
    }

    private static SortedDictionary<string, object?> LongRope(float[] shorter, float[] longer, int original, double? magnitude)
    {
        SortedDictionary<string, object?> scaling = new()
        {
            ["rope_type"] = "longrope", ["short_factor"] = Array.ConvertAll(shorter, divisor => (double)divisor),
            ["long_factor"] = Array.ConvertAll(longer, divisor => (double)divisor), ["original_max_position_embeddings"] = original,
        };
        if (magnitude is { } factor) scaling["attention_factor"] = factor;
        return scaling;
    }
}
