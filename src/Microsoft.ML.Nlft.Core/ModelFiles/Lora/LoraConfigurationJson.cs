using System.Text.Json;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// adapter_config.json: reads what PEFT writes and refuses what would compute something else; writes the keys that every PEFT version knows.
/// </summary>
internal static class LoraConfigurationJson
{
    private const string Merge = "Merge the adapter into its base model with PEFT, or train one without this setting.";

    /// <summary>Settings that add or change computation; anything but null, false or an empty value is refused.</summary>
    private static readonly string[] NotHonoured =
    [
        "use_dora", "lora_bias", "layer_replication", "target_parameters", "trainable_token_indices", "alora_invocation_tokens", "use_qalora",
        "modules_to_save", "megatron_config", "arrow_config", "kasa_config", "monteclora_config", "velora_config", "use_bdlora",
    ];

    public static (LoraConfiguration Configuration, string? BaseModel) Load(string path)
    {
        var keys = JsonKeys.Load(path, "PEFT's adapter_config.json");
        Refuse(keys);
        var (modules, pattern) = Targets(keys);
        var defaults = new LoraConfiguration();
        var configuration = new LoraConfiguration
        {
            Rank = InRange(keys, "r", keys.Int("r") ?? 8),
            Alpha = Positive(keys, "lora_alpha", keys.Number("lora_alpha") ?? 8),
            Dropout = (keys.Number("lora_dropout") ?? 0) is >= 0 and < 1 and var dropout ? dropout
                : throw keys.Error("lora_dropout", "a number of at least 0 and below 1"),
            TargetModules = modules ?? defaults.TargetModules,
            TargetPattern = pattern,
            ExcludedModules = !keys.Has("exclude_modules") || IsText(keys["exclude_modules"]) ? [] : keys.Texts("exclude_modules")!,
            ExcludedPattern = keys.Has("exclude_modules") && IsText(keys["exclude_modules"]) ? keys.Text("exclude_modules") : null,
            Layers = keys.IntOrInts("layers_to_transform"),
            RankPattern = Pattern(keys, "rank_pattern", (owner, key) => InRange(owner, key, owner.Int(key) ?? throw owner.Error(key, "an integer"))),
            AlphaPattern = Pattern(keys, "alpha_pattern", (owner, key) =>
                Positive(owner, key, owner.Number(key) ?? throw owner.Error(key, "a number"))),
            UseRankStabilizedScaling = keys.Flag("use_rslora") ?? false,
        };
        if (configuration.Layers is not null && pattern is not null) throw keys.Error("layers_to_transform", "null, as target_modules is a pattern");
        try
        {
            configuration.Validate();
        }
        catch (NlftException fault)
        {
            throw new NlftException($"{path}, {fault.Subject}", fault.Found, fault.Expected, fault.Remedy, fault);
        }
        return (configuration, keys.Text("base_model_name_or_path"));
    }

    public static byte[] Write(LoraConfiguration configuration, string? baseModel)
    {
        var keys = new SortedDictionary<string, object?>(StringComparer.Ordinal)
        {
            ["alpha_pattern"] = Sorted(configuration.AlphaPattern, Number),
            ["base_model_name_or_path"] = baseModel,
            ["bias"] = "none",
            ["fan_in_fan_out"] = false,
            ["inference_mode"] = true,
            ["init_lora_weights"] = true,
            ["layers_to_transform"] = configuration.Layers,
            ["lora_alpha"] = Number(configuration.Alpha),
            ["lora_dropout"] = configuration.Dropout,
            ["modules_to_save"] = null,
            ["peft_type"] = "LORA",
            ["r"] = configuration.Rank,
            ["rank_pattern"] = Sorted(configuration.RankPattern, rank => rank),
            ["revision"] = null,
            ["target_modules"] = configuration.TargetPattern is { } pattern ? pattern : configuration.TargetModules,
            ["task_type"] = "CAUSAL_LM",
            ["use_dora"] = false,
            ["use_rslora"] = configuration.UseRankStabilizedScaling,
        };
        if (configuration.ExcludedPattern is not null) keys["exclude_modules"] = configuration.ExcludedPattern;
        else if (configuration.ExcludedModules.Count > 0) keys["exclude_modules"] = configuration.ExcludedModules;
        return HuggingFaceJson.Write(keys);
    }

    private static SortedDictionary<string, object> Sorted<T>(IReadOnlyDictionary<string, T> pattern, Func<T, object> write) =>
        new(pattern.ToDictionary(pair => pair.Key, pair => write(pair.Value)), StringComparer.Ordinal);

    /// <summary>A whole alpha is an integer in PEFT's files.</summary>
    private static object Number(double value) => value == Math.Truncate(value) && Math.Abs(value) < 1e15 ? (object)(long)value : value;

    private static void Refuse(JsonKeys keys)
    {
        if (keys.Text("peft_type") != "LORA") throw keys.Error("peft_type", "\"LORA\"", "Use a LoRA adapter.");
        if (keys.Text("task_type") is not (null or "CAUSAL_LM"))
            throw keys.Error("task_type", "\"CAUSAL_LM\"", "Use an adapter of a causal language model.");
        if (keys.Text("bias") is not (null or "none")) throw keys.Error("bias", "\"none\"", Merge);
        if (keys.Has("init_lora_weights") && keys["init_lora_weights"] is { ValueKind: JsonValueKind.String } init
            && init.GetString() is not ("gaussian" or "eva" or "orthogonal"))
            throw keys.Error("init_lora_weights", "true, false, \"gaussian\", \"orthogonal\" or \"eva\"",
                "Convert the adapter with PEFT's path_initial_model_for_weight_conversion: this initialisation changes the base weights.");
        if (keys.Has("layers_pattern") && keys["layers_pattern"] is var layers && !IsEmpty(layers) && !IsLayers(layers))
            throw keys.Error("layers_pattern", "null or \"layers\"", Merge);
        var refused = NotHonoured.Concat(keys.Names.Where(name => name.StartsWith("use_", StringComparison.Ordinal) && name != "use_rslora"));
        foreach (var name in refused)
        {
            if (keys.Has(name) && !IsEmpty(keys[name])) throw keys.Error(name, "nothing, null or false", Merge);
        }
    }

    private static bool IsText(JsonElement value) => value.ValueKind == JsonValueKind.String;

    private static bool IsEmpty(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False => true,
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
    private static (IReadOnlyList<string>? Modules, string? Pattern) Targets(JsonKeys keys)
    {
        if (!keys.Has("target_modules")) return (["q_proj", "v_proj"], null);
        var value = keys["target_modules"];
        if (value.ValueKind == JsonValueKind.String && value.GetString() != "") return (null, value.GetString());
        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() == 0)
            throw keys.Error("target_modules", "a list of names, a regular expression or \"all-linear\"");
        return (keys.Texts("target_modules"), null);
    }

    private static OrderedDictionary<string, T> Pattern<T>(JsonKeys keys, string name, Func<JsonKeys, string, T> read)
    {
        var pattern = new OrderedDictionary<string, T>();
        if (keys.Object(name) is { } entries)
        {
            foreach (var key in entries.Names) pattern[key] = read(entries, key);
        }
        return pattern;
    }

    private static int InRange(JsonKeys keys, string key, int value) =>
        value is >= 1 and <= LoraConfiguration.MaximumRank ? value : throw keys.Error(key, $"an integer from 1 to {LoraConfiguration.MaximumRank}");

    private static double Positive(JsonKeys keys, string key, double value) => value > 0 ? value : throw keys.Error(key, "a number above 0");
}
