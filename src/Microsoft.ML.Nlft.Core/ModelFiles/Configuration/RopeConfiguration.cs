using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>Rotary position embedding (rope_theta with rope_scaling, or rope_parameters): the frequencies and the factor on cos and sin.</summary>
public sealed record RopeConfiguration
{
    /// <summary>Base of the frequencies. Default 10000.</summary>
    public double Theta { get; init; } = 10000;

    /// <summary>default, linear, llama3 or yarn.</summary>
    public string Type { get; init; } = "default";

    /// <summary>Scaling factor of linear, llama3 and yarn, 1 or more.</summary>
    public double Factor { get; init; } = 1;

    /// <summary>low_freq_factor of llama3.</summary>
    public double LowFrequencyFactor { get; init; } = 1;

    /// <summary>high_freq_factor of llama3, above <see cref="LowFrequencyFactor"/>.</summary>
    public double HighFrequencyFactor { get; init; } = 4;

    /// <summary>original_max_position_embeddings of llama3 and yarn.</summary>
    public int OriginalMaximumPositions { get; init; } = 8192;

    /// <summary>beta_fast of yarn.</summary>
    public double BetaFast { get; init; } = 32;

    /// <summary>beta_slow of yarn.</summary>
    public double BetaSlow { get; init; } = 1;

    /// <summary>attention_factor of yarn (or what mscale and mscale_all_dim give); null: computed as 0.1 ln(factor) + 1.</summary>
    public double? AttentionFactor { get; init; }

    /// <summary>Reads rope_parameters (transformers v5), or rope_theta and rope_scaling (before).</summary>
    internal static RopeConfiguration Read(JsonKeys config, int maximumPositions)
    {
        var parameters = config.Object("rope_parameters");
        var rope = parameters ?? config.Object("rope_scaling");
        var thetaKeys = parameters is not null && parameters.Has("rope_theta") ? parameters : config;
        var theta = thetaKeys.Number("rope_theta") ?? 10000;
        if (theta <= 1) throw thetaKeys.Error("rope_theta", "a number above 1");
        RequireWholeHead(config);
        if (rope is null) return new RopeConfiguration { Theta = theta };
        RequireWholeHead(rope);

        var typeKey = rope.Has("rope_type") || !rope.Has("type") ? "rope_type" : "type";
        var type = rope.Text(typeKey) ?? "default";
        var result = new RopeConfiguration { Theta = theta, Type = type };
        switch (type)
        {
            case "default":
                return result;
            case "linear":
                return result with { Factor = ReadFactor(rope) };
            case "llama3":
                var (low, high) = (Required(rope, "low_freq_factor"), Required(rope, "high_freq_factor"));
                if (high <= low) throw rope.Error("high_freq_factor", $"a number above low_freq_factor, {low}");
                return result with { Factor = ReadFactor(rope), LowFrequencyFactor = low, HighFrequencyFactor = high,
                    OriginalMaximumPositions = ReadOriginal(rope) ?? throw rope.Error("original_max_position_embeddings", "an integer") };
            case "yarn":
                return ReadYarn(rope, result, maximumPositions);
            default:
                throw rope.Error(typeKey, "default, linear, llama3 or yarn",
                    "Use a model with one of these rotary embeddings; this one would compute other positions.");
        }
    }

    private static RopeConfiguration ReadYarn(JsonKeys rope, RopeConfiguration result, int maximumPositions)
    {
        if (rope.Flag("truncate") == false) throw rope.Error("truncate", "true", "Use a model whose yarn ranges are whole dimensions.");
        var original = ReadOriginal(rope) ?? maximumPositions;
        var factor = rope.Has("factor") ? ReadFactor(rope) : (double)maximumPositions / original;
        var (fast, slow) = (Optional(rope, "beta_fast") ?? 32, Optional(rope, "beta_slow") ?? 1);
        if (fast < slow) throw rope.Error("beta_fast", $"a number of at least beta_slow, {slow}");
        var attention = Optional(rope, "attention_factor");
        if (attention is null && Optional(rope, "mscale") is { } mscale && Optional(rope, "mscale_all_dim") is { } allDimensions)
            attention = Magnitude(mscale) / Magnitude(allDimensions);
        return result with { Factor = factor, OriginalMaximumPositions = original, BetaFast = fast, BetaSlow = slow, AttentionFactor = attention };

        double Magnitude(double scale) => factor <= 1 ? 1 : 0.1 * scale * Math.Log(factor) + 1;
    }

    private static void RequireWholeHead(JsonKeys keys)
    {
        if (keys.Number("partial_rotary_factor") is not (null or 1.0))
            throw keys.Error("partial_rotary_factor", "1", "Use a model that rotates whole heads.");
    }

    private static double ReadFactor(JsonKeys rope) =>
        Required(rope, "factor") is >= 1 and var factor ? factor : throw rope.Error("factor", "a number of at least 1");

    private static double Required(JsonKeys rope, string key) => Optional(rope, key) ?? throw rope.Error(key, "a number above 0");

    private static double? Optional(JsonKeys rope, string key) =>
        rope.Number(key) is not <= 0 ? rope.Number(key) : throw rope.Error(key, "a number above 0");

    private static int? ReadOriginal(JsonKeys rope) =>
        rope.Int("original_max_position_embeddings") is not <= 0 ? rope.Int("original_max_position_embeddings")
            : throw rope.Error("original_max_position_embeddings", "an integer above 0");
}
