using System.Text.Json;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// Reads adapter_config.json as PEFT writes it, refuses settings that would change the computation, and writes the keys that every PEFT version
/// knows.
/// </summary>
internal static class LoraConfigurationJson
{
    private const string Merge = "Merge the adapter into its base model with PEFT, or train one without this setting.";

    /// <summary>Settings that add or change computation; anything but null, false or an empty value is refused.</summary>
    private static readonly string[] Unsupported =
    [
        "layer_replication", "trainable_token_indices", "alora_invocation_tokens", "use_qalora",
        "megatron_config", "arrow_config", "kasa_config", "monteclora_config", "velora_config", "use_bdlora",
    ];

    public static (LoraConfiguration Configuration, string? BaseModel) Load(string path)
    {
        var keys = JsonFile.Load(new(path, "PEFT's adapter_config.json"));
        Refuse(keys);
        var (modules, pattern) = Targets(keys);
        var defaults = new LoraConfiguration();
        var configuration = new LoraConfiguration
        {
            Rank = InRange(keys["r"], keys["r"].IntOrNull() ?? 8),
            Alpha = Positive(keys["lora_alpha"], keys["lora_alpha"].NumberOrNull() ?? 8),
            Dropout = (keys["lora_dropout"].NumberOrNull() ?? 0) is >= 0 and < 1 and var dropout ? dropout
                : throw keys["lora_dropout"].Refuse("a number of at least 0 and below 1"),
            TargetModules = modules ?? defaults.TargetModules,
            TargetPattern = pattern,
            TargetParameters = keys["target_parameters"].StringsOrNull() ?? [],
            ExcludedModules = IsText(keys["exclude_modules"]) ? [] : keys["exclude_modules"].StringsOrNull() ?? [],
            ExcludedPattern = IsText(keys["exclude_modules"]) ? keys["exclude_modules"].String() : null,
            Layers = keys["layers_to_transform"].IntsOrNull(),
            RankPattern = Pattern(keys["rank_pattern"], rank => InRange(rank, rank.Int())),
            AlphaPattern = Pattern(keys["alpha_pattern"], alpha => Positive(alpha, alpha.Number())),
            UseRankStabilizedScaling = keys["use_rslora"].Boolean(false),
            FanInFanOut = keys["fan_in_fan_out"].Boolean(false),
            UseDora = keys["use_dora"].Boolean(false),
            ModulesToSave = keys["modules_to_save"].StringsOrNull() is not { } saved ? []
                : saved.All(IsEnd) ? saved : throw keys["modules_to_save"].Refuse("embed_tokens, lm_head or both", Merge),
            LoraBias = keys["lora_bias"].Boolean(false),
            Bias = keys["bias"].StringOrNull() switch
            {
                null or "none" => TrainedBiases.None,
                "lora_only" => TrainedBiases.LoraOnly,
                "all" => TrainedBiases.All,
                _ => throw keys["bias"].Refuse("\"none\", \"lora_only\" or \"all\""),
            },
        };
        if (keys["ensure_weight_tying"].Boolean(false) && (configuration.ModulesToSave.Count > 0 || configuration.TargetModules.Any(IsEnd)))
            throw keys["ensure_weight_tying"].Refuse("nothing, null or false beside an adapted or saved embedding or output layer", Merge);
        if (configuration.Layers is not null && pattern is not null) throw keys["layers_to_transform"].Refuse("null, as target_modules is a pattern");
        try
        {
            configuration.Validate();
        }
        catch (NlftException fault)
        {
            throw new NlftException($"{path}, {fault.Subject}", fault.Found, fault.Expected, fault.Remedy, fault);
        }
        return (configuration, keys["base_model_name_or_path"].StringOrNull());
    }

    public static byte[] Write(LoraConfiguration configuration, string? baseModel)
    {
        var keys = new SortedDictionary<string, object?>(StringComparer.Ordinal)
        {
            ["alpha_pattern"] = Sorted(configuration.AlphaPattern, Number),
            ["base_model_name_or_path"] = baseModel,
            ["bias"] = configuration.Bias switch
            {
                TrainedBiases.None => "none",
                TrainedBiases.LoraOnly => "lora_only",
                _ => "all",
            },
            ["fan_in_fan_out"] = configuration.FanInFanOut,
            ["inference_mode"] = true,
            ["init_lora_weights"] = true,
            ["layers_to_transform"] = configuration.Layers,
            ["lora_alpha"] = Number(configuration.Alpha),
            ["lora_dropout"] = configuration.Dropout,
            ["modules_to_save"] = configuration.ModulesToSave.Count > 0 ? configuration.ModulesToSave : null,
            ["peft_type"] = "LORA",
            ["r"] = configuration.Rank,
            ["rank_pattern"] = Sorted(configuration.RankPattern, rank => rank),
            ["revision"] = null,
            ["target_modules"] = configuration.TargetPattern is { } pattern ? pattern : configuration.TargetModules,
            ["task_type"] = "CAUSAL_LM",
            ["use_dora"] = configuration.UseDora,
            ["use_rslora"] = configuration.UseRankStabilizedScaling,
        };
        if (configuration.LoraBias) keys["lora_bias"] = true;
        if (configuration.ExcludedPattern is not null) keys["exclude_modules"] = configuration.ExcludedPattern;
        else if (configuration.ExcludedModules.Count > 0) keys["exclude_modules"] = configuration.ExcludedModules;
        if (configuration.TargetParameters.Count > 0) keys["target_parameters"] = configuration.TargetParameters;
        return HuggingFaceJson.Write(keys);
    }

    private static SortedDictionary<string, object> Sorted<T>(IReadOnlyDictionary<string, T> pattern, Func<T, object> write) =>
        new(pattern.ToDictionary(pair => pair.Key, pair => write(pair.Value)), StringComparer.Ordinal);

    /// <summary>A whole alpha is an integer in PEFT's files.</summary>
    private static object Number(double value) => value == Math.Truncate(value) && Math.Abs(value) < 1e15 ? (object)(long)value : value;

    private static void Refuse(JsonPlace keys)
    {
        ForeignAdapter.RequirePeft(keys);
        if (keys["peft_type"].StringOrNull() != "LORA") throw keys["peft_type"].Refuse("\"LORA\"", "Use a LoRA adapter.");
        if (keys["task_type"].StringOrNull() is not (null or "CAUSAL_LM"))
            throw keys["task_type"].Refuse("\"CAUSAL_LM\"", "Use an adapter of a causal language model.");
        if (IsText(keys["init_lora_weights"])
            && keys["init_lora_weights"].String() is not ("gaussian" or "eva" or "orthogonal"))
        {
            throw keys["init_lora_weights"].Refuse("true, false, \"gaussian\", \"orthogonal\" or \"eva\"",
                "Convert the adapter with PEFT's path_initial_model_for_weight_conversion: this initialisation changes the base weights.");
        }
        if (keys["layers_pattern"].Value is var layers && !IsEmpty(layers) && !IsLayers(layers))
            throw keys["layers_pattern"].Refuse("null or \"layers\"", Merge);
        foreach (var (name, place) in keys.Members())
        {
            var known = name is "use_rslora" or "use_dora" || (!name.StartsWith("use_", StringComparison.Ordinal) && !Unsupported.Contains(name));
            if (!known && !IsEmpty(place.Value)) throw place.Refuse("nothing, null or false", Merge);
        }
    }

    private static bool IsText(JsonPlace place) => place.Value.ValueKind == JsonValueKind.String;

    private static bool IsEmpty(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Undefined or JsonValueKind.Null or JsonValueKind.False => true,
        JsonValueKind.Array => value.GetArrayLength() == 0,
        JsonValueKind.Object => !value.EnumerateObject().Any(),
        JsonValueKind.String => value.GetString() == "",
        _ => false,
    };

    private static bool IsLayers(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString() == "layers",
        JsonValueKind.Array => value.EnumerateArray().All(IsLayers),
        _ => false,
    };

    /// <summary>A list of names or a pattern; missing: PEFT's own choice for these models.</summary>
    private static (IReadOnlyList<string>? Modules, string? Pattern) Targets(JsonPlace keys)
    {
        var namesParameters = keys["target_parameters"].StringsOrNull() is { Count: > 0 };
        if (keys["target_modules"].IsNull) return (namesParameters ? [] : ["q_proj", "v_proj"], null);
        var value = keys["target_modules"].Value;
        if (value.ValueKind == JsonValueKind.String && value.GetString() != "") return (null, value.GetString());
        if (value.ValueKind != JsonValueKind.Array || (value.GetArrayLength() == 0 && !namesParameters))
            throw keys["target_modules"].Refuse("a list of names, a regular expression or \"all-linear\"");
        var modules = keys["target_modules"].StringsOrNull()!;
        if (modules.Any(IsEnd) && (keys["use_dora"].Boolean(false) || keys["lora_bias"].Boolean(false)))
            throw keys["target_modules"].Refuse("none of embed_tokens and lm_head beside use_dora or lora_bias", Merge);
        return (modules, null);
    }

    private static bool IsEnd(string name) => ModelArchitecture.IsEndName(name);

    private static OrderedDictionary<string, T> Pattern<T>(JsonPlace place, Func<JsonPlace, T> read)
    {
        var pattern = new OrderedDictionary<string, T>();
        if (place.IsNull) return pattern;
        foreach (var (name, value) in place.Members()) pattern.Add(name, read(value));
        return pattern;
    }

    private static int InRange(JsonPlace place, int value) =>
        value is >= 1 and <= LoraConfiguration.MaximumRank ? value : throw place.Refuse($"an integer from 1 to {LoraConfiguration.MaximumRank}");

    private static double Positive(JsonPlace place, double value) => value > 0 ? value : throw place.Refuse("a number above 0");
}
