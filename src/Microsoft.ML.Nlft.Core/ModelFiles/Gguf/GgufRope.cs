using System.Runtime.InteropServices;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>Translates the rotary settings of a GGUF file to rope_scaling of config.json.</summary>
internal static class GgufRope
{
    /// <summary>What each frequency is divided by: the result of the settings that Llama 3.1 and later have in config.json.</summary>
    public const string FrequencyDivisors = "rope_freqs.weight";

    private const string Remedy = "Use a model with one of these rotary embeddings: positions of any other kind would be wrong.";

    /// <summary>Returns rope_scaling, or null where frequencies are not scaled.</summary>
    /// <param name="keys">The keys of the architecture.</param>
    /// <param name="theta">rope_theta.</param>
    /// <param name="headSize">Width of a head.</param>
    /// <param name="positions">max_position_embeddings.</param>
    public static SortedDictionary<string, object?>? Scaling(GgufKeys keys, double theta, int headSize, int positions)
    {
        var factor = keys.Number("rope.scaling.factor") ?? keys.Number("rope.scale_linear") ?? 1;
        var type = keys.Text("rope.scaling.type") ?? (factor == 1 ? "none" : "linear");
        var original = keys.Integer("rope.scaling.original_context_length");
        if (keys.Model.Tensors.ContainsKey(FrequencyDivisors))
        {
            if (type != "none") throw keys.Refuse("rope.scaling.type", $"none beside {FrequencyDivisors}", Remedy);
            return Divided(Divisors(keys.Model, headSize / 2), theta, headSize, positions);
        }
        return type switch
        {
            "none" => null,
            "linear" => factor == 1 ? null : new() { ["rope_type"] = "linear", ["factor"] = factor },
            "yarn" => new() { ["rope_type"] = "yarn", ["factor"] = factor, ["original_max_position_embeddings"] = original ?? positions },
            _ => throw keys.Refuse("rope.scaling.type", "none, linear or yarn", Remedy),
        };
    }

    private static float[] Divisors(GgufModel model, int pairs)
    {
        var (file, entry) = model.Tensors[FrequencyDivisors];
        var place = $"{file.Stored.Path}, tensor \"{FrequencyDivisors}\"";
        if (entry.Type != GgufType.F32 || entry.Shape is not [var size] || size != pairs)
        {
            throw new NlftException(place, $"shape {TensorTypes.Text(entry.Shape)} of {entry.Type}", $"[{pairs}] of F32, a number per rotary pair",
                "Use a file that llama.cpp's converter wrote.");
        }
        var divisors = new float[pairs];
        file.Stored.Read(entry.Begin, MemoryMarshal.AsBytes(divisors.AsSpan()), place);
        return Array.TrueForAll(divisors, value => float.IsFinite(value) && value > 0) ? divisors
            : throw new NlftException(place, "a number that is not above 0", "finite numbers above 0", "Use a file that llama.cpp's converter wrote.");
    }

    /// <summary>
    /// Returns the settings of llama3 if they give these divisors with the published limits, else longrope, whose config.json lists divisors.
    /// </summary>
    private static SortedDictionary<string, object?> Divided(float[] divisors, double theta, int headSize, int positions)
    {
        var published = new RopeConfiguration { Theta = theta, Type = "llama3", Factor = divisors.Max(), OriginalMaximumPositions = 8192 };
        var (scaled, plain) = (RopeFrequencies.Of(published, headSize).Frequencies, RopeFrequencies.Of(published with { Type = "default" }, headSize).Frequencies);
        if (divisors.Select((divisor, i) => Math.Abs(plain[i] / scaled[i] / divisor - 1)).All(error => error < 1e-5))
        {
            return new()
            {
                ["rope_type"] = "llama3", ["factor"] = published.Factor, ["low_freq_factor"] = published.LowFrequencyFactor,
                ["high_freq_factor"] = published.HighFrequencyFactor, ["original_max_position_embeddings"] = published.OriginalMaximumPositions,
            };
        }
        var list = Array.ConvertAll(divisors, divisor => (double)divisor);
        return new()
        {
            ["rope_type"] = "longrope", ["short_factor"] = list, ["long_factor"] = list, ["attention_factor"] = 1.0, ["factor"] = 1.0,
            ["original_max_position_embeddings"] = positions,
        };
    }
}
