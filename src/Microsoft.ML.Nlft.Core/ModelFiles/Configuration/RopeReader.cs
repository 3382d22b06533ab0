using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// Reads the rotary settings of config.json in the spellings of transformers 4 and 5. A rope_scaling that is not empty replaces rope_parameters; a
/// key within counts before the same key at top level, except original_max_position_embeddings, where the one at top level counts. In gemma3_text,
/// the layers with a sliding window have settings of their own: rope_local_base_freq, or rope_parameters by type of layer.
/// </summary>
internal sealed class RopeReader
{
    public const string Types = "default, linear, dynamic, llama3, yarn or longrope";
    private static readonly string[] s_layerTypes = ["full_attention", "sliding_attention"];

    private readonly JsonPlace _config;
    private readonly JsonPlace? _found;
    private readonly int _maximumPositions;
    private readonly ModelArchitecture _architecture;

    private RopeReader(JsonPlace config, JsonPlace? found, int maximumPositions, ModelArchitecture architecture) =>
        (_config, _found, _maximumPositions, _architecture) = (config, found, maximumPositions, architecture);

    /// <summary>Reads the settings.</summary>
    /// <param name="config">config.json.</param>
    /// <param name="maximumPositions">max_position_embeddings.</param>
    /// <param name="architecture">The architecture, for the keys that it has and what missing ones stand for.</param>
    /// <returns>The settings of the layers, and those of layers with a sliding window; null if these share them.</returns>
    /// <exception cref="NlftException">A value is out of range, or the settings are of a kind that no engine here computes.</exception>
    public static (RopeConfiguration All, RopeConfiguration? Sliding) Read(JsonPlace config, int maximumPositions, ModelArchitecture architecture)
    {
        var scaling = config["rope_scaling"].ObjectOrNull() is { } members && members.Members().Any() ? members : (JsonPlace?)null;
        var parameters = config["rope_parameters"].ObjectOrNull();
        if (architecture.SlidingTheta is not { } slidingTheta)
            return (Read(scaling ?? parameters, architecture.Key("rope_theta"), architecture.Theta), null);
        foreach (var key in (ReadOnlySpan<string>)["rope_type", "rope_theta"])
        {
            if (parameters is { } flat && !flat[key].IsNull)
                throw flat[key].Refuse("the settings in full_attention and in sliding_attention");
        }
        var (full, sliding) = (parameters?["full_attention"].ObjectOrNull(), parameters?["sliding_attention"].ObjectOrNull());
        if (full is not null && scaling is not null)
            throw config["rope_scaling"].Refuse("none beside rope_parameters", "Remove one of them.");
        return (Read(full ?? scaling, "rope_theta", architecture.Theta), Read(sliding, "rope_local_base_freq", slidingTheta));

        RopeConfiguration Read(JsonPlace? found, string thetaKey, double defaultTheta) =>
            new RopeReader(config, found, maximumPositions, architecture).Read(thetaKey, defaultTheta);
    }

    private RopeConfiguration Read(string thetaKey, double defaultTheta)
    {
        var place = _found is { } keys && !keys["rope_theta"].IsNull ? keys["rope_theta"] : _config[thetaKey];
        var theta = place.NumberOrNull() ?? defaultTheta;
        if (theta <= 1) throw place.Refuse("a number above 1");
        var result = new RopeConfiguration { Theta = theta, RotatedShare = RotatedShare() };
        if (_found is not { } rope) return result;
        foreach (var layerType in s_layerTypes)
        {
            if (!rope[layerType].IsNull)
                throw rope[layerType].Refuse("the settings of all layers together", "Use a model whose layers share their rotary embedding.");
        }

        var typeKey = !rope["rope_type"].IsNull || rope["type"].IsNull ? "rope_type" : "type";
        var type = rope[typeKey].StringOrNull() ?? "default";
        result = result with { Type = _architecture.LongRopeNames && type is "su" or "yarn" ? "longrope" : type };
        return result.Type switch
        {
            "default" => result,
            "linear" => result with { Factor = Factor(rope) },
            "dynamic" => result with { Factor = Factor(rope), OriginalMaximumPositions = _maximumPositions },
            "llama3" => ReadLlama3(rope, result),
            "yarn" => ReadYarn(rope, result),
            "longrope" => ReadLongRope(rope, result),
            _ => throw rope[typeKey].Refuse(Types, "Use a model with one of these rotary embeddings: positions of any other kind would be wrong."),
        };
    }

    private RopeConfiguration ReadLlama3(JsonPlace rope, RopeConfiguration result)
    {
        var (low, high) = (Required(rope, "low_freq_factor"), Required(rope, "high_freq_factor"));
        if (high <= low) throw rope["high_freq_factor"].Refuse($"a number above low_freq_factor, {low}");
        return result with
        {
            Factor = Factor(rope), LowFrequencyFactor = low, HighFrequencyFactor = high, OriginalMaximumPositions = OriginalPositions(rope),
        };
    }

    private RopeConfiguration ReadYarn(JsonPlace rope, RopeConfiguration result)
    {
        var original = OriginalPositions(rope);
        var factor = !rope["factor"].IsNull ? Factor(rope) : (double)_maximumPositions / original;
        var (fast, slow) = (Optional(rope, "beta_fast") ?? 32, Optional(rope, "beta_slow") ?? 1);
        if (fast < slow) throw rope["beta_fast"].Refuse($"a number of at least beta_slow, {slow}");
        var attention = Optional(rope, "attention_factor");
        if (attention is null && rope["mscale"].NumberOrNull() is { } mscale and not 0
            && rope["mscale_all_dim"].NumberOrNull() is { } allDimensions and not 0)
        {
            attention = Magnitude(mscale) / Magnitude(allDimensions);
        }
        return result with
        {
            Factor = factor, OriginalMaximumPositions = original, BetaFast = fast, BetaSlow = slow, AttentionFactor = attention,
            Truncate = rope["truncate"].Boolean(true),
        };

        double Magnitude(double scale) => factor <= 1 ? 1 : 0.1 * scale * Math.Log(factor) + 1;
    }

    private RopeConfiguration ReadLongRope(JsonPlace rope, RopeConfiguration result)
    {
        var original = OriginalPositions(rope);
        return result with
        {
            Factor = rope["factor"].IsNull ? (double)_maximumPositions / original : Factor(rope),
            OriginalMaximumPositions = original,
            AttentionFactor = Optional(rope, "attention_factor"),
            ShortFactors = Factors("short_factor"),
            LongFactors = Factors("long_factor"),
        };

        double[] Factors(string key) => rope[key].IsNull ? [] : [.. rope[key].Items().Select(item => item.Number())];
    }

    /// <summary>partial_rotary_factor, within or at top level.</summary>
    private double RotatedShare()
    {
        const string Key = "partial_rotary_factor";
        var place = _found is { } keys && !keys[Key].IsNull ? keys[Key] : _config[_architecture.Key(Key)];
        var share = place.NumberOrNull() ?? _architecture.RotatedShare;
        return _architecture.PartialRotation || share == 1 ? share : throw place.Refuse("1", "Use a model that rotates whole heads.");
    }

    /// <summary>original_max_position_embeddings, at top level first; without either, that of the architecture or max_position_embeddings.</summary>
    private int OriginalPositions(JsonPlace rope)
    {
        const string Key = "original_max_position_embeddings";
        var place = _config[Key].IsNull ? rope[Key] : _config[Key];
        if (place.IntOrNull() is <= 0) throw place.Refuse("an integer above 0");
        return place.IntOrNull() ?? _architecture.OriginalMaximumPositions ?? _maximumPositions;
    }

    private static double Factor(JsonPlace rope) =>
        Required(rope, "factor") is >= 1 and var factor ? factor : throw rope["factor"].Refuse("a number of at least 1");

    private static double Required(JsonPlace rope, string key) => Optional(rope, key) ?? throw rope[key].Refuse("a number above 0");

    private static double? Optional(JsonPlace rope, string key) =>
        rope[key].NumberOrNull() is not <= 0 ? rope[key].NumberOrNull() : throw rope[key].Refuse("a number above 0");
}
