using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>Rotary position embedding (rope_theta with rope_scaling, or rope_parameters): the frequencies and the factor on cos and sin.</summary>
public sealed record RopeConfiguration
{
    /// <summary>Base of the frequencies. Default 10000.</summary>
    public double Theta { get; init; } = 10000;

    /// <summary>Kind of scaling (rope_type): default (none), linear, llama3 or yarn.</summary>
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

    /// <summary>attention_factor of yarn, or the value derived from mscale and mscale_all_dim; null: 0.1 ln(factor) + 1.</summary>
    public double? AttentionFactor { get; init; }

    /// <summary>Reads rope_parameters (transformers v5), or rope_theta and rope_scaling (earlier versions).</summary>
    internal static RopeConfiguration Read(JsonPlace config, int maximumPositions)
    {
        var parameters = config["rope_parameters"].ObjectOrNull();
        var found = parameters ?? config["rope_scaling"].ObjectOrNull();
        var thetaKeys = parameters is { } given && !given["rope_theta"].IsNull ? given : config;
        var theta = thetaKeys["rope_theta"].NumberOrNull() ?? 10000;
        if (theta <= 1) throw thetaKeys["rope_theta"].Refuse("a number above 1");
        RequireWholeHead(config);
        if (found is not { } rope) return new RopeConfiguration { Theta = theta };
        RequireWholeHead(rope);

        var typeKey = !rope["rope_type"].IsNull || rope["type"].IsNull ? "rope_type" : "type";
        var type = rope[typeKey].StringOrNull() ?? "default";
        var result = new RopeConfiguration { Theta = theta, Type = type };
        switch (type)
        {
            case "default":
                return result;
            case "linear":
                return result with { Factor = ReadFactor(rope) };
            case "llama3":
                var (low, high) = (Required(rope, "low_freq_factor"), Required(rope, "high_freq_factor"));
                if (high <= low) throw rope["high_freq_factor"].Refuse($"a number above low_freq_factor, {low}");
                return result with { Factor = ReadFactor(rope), LowFrequencyFactor = low, HighFrequencyFactor = high,
                    OriginalMaximumPositions = ReadOriginal(rope) ?? throw rope["original_max_position_embeddings"].Refuse("an integer") };
            case "yarn":
                return ReadYarn(rope, result, maximumPositions);
            default:
                throw rope[typeKey].Refuse("default, linear, llama3 or yarn",
                    "Use a model with one of these rotary embeddings: positions of any other kind would be wrong.");
        }
    }

    private static RopeConfiguration ReadYarn(JsonPlace rope, RopeConfiguration result, int maximumPositions)
    {
        if (rope["truncate"].BooleanOrNull() == false) throw rope["truncate"].Refuse("true", "Use a model whose yarn ranges are whole dimensions.");
        var original = ReadOriginal(rope) ?? maximumPositions;
        var factor = !rope["factor"].IsNull ? ReadFactor(rope) : (double)maximumPositions / original;
        var (fast, slow) = (Optional(rope, "beta_fast") ?? 32, Optional(rope, "beta_slow") ?? 1);
        if (fast < slow) throw rope["beta_fast"].Refuse($"a number of at least beta_slow, {slow}");
        var attention = Optional(rope, "attention_factor");
        if (attention is null && Optional(rope, "mscale") is { } mscale && Optional(rope, "mscale_all_dim") is { } allDimensions)
            attention = Magnitude(mscale) / Magnitude(allDimensions);
        return result with { Factor = factor, OriginalMaximumPositions = original, BetaFast = fast, BetaSlow = slow, AttentionFactor = attention };

        double Magnitude(double scale) => factor <= 1 ? 1 : 0.1 * scale * Math.Log(factor) + 1;
    }

    private static void RequireWholeHead(JsonPlace keys)
    {
        if (keys["partial_rotary_factor"].NumberOrNull() is not (null or 1.0))
            throw keys["partial_rotary_factor"].Refuse("1", "Use a model that rotates whole heads.");
    }

    private static double ReadFactor(JsonPlace rope) =>
        Required(rope, "factor") is >= 1 and var factor ? factor : throw rope["factor"].Refuse("a number of at least 1");

    private static double Required(JsonPlace rope, string key) => Optional(rope, key) ?? throw rope[key].Refuse("a number above 0");

    private static double? Optional(JsonPlace rope, string key) =>
        rope[key].NumberOrNull() is not <= 0 ? rope[key].NumberOrNull() : throw rope[key].Refuse("a number above 0");

    private static int? ReadOriginal(JsonPlace rope) =>
        rope["original_max_position_embeddings"].IntOrNull() is not <= 0 ? rope["original_max_position_embeddings"].IntOrNull()
            : throw rope["original_max_position_embeddings"].Refuse("an integer above 0");
}
