namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>How a GGUF file spells an architecture: names of tensors, the order of rows, keys beyond those that all architectures share.</summary>
internal sealed record GgufArchitecture
{
    /// <summary>The embedding of the tokens in a file.</summary>
    public const string Embedding = "token_embd.weight";

    /// <summary>The output layer in a file; that of a tied model is its embedding.</summary>
    public const string Head = "output.weight";

    private const string Key = "general.architecture";

    private static readonly Dictionary<string, string> s_outer = new(StringComparer.Ordinal)
    {
        [Embedding] = "model.embed_tokens.weight", ["output_norm.weight"] = "model.norm.weight", [Head] = "lm_head.weight",
    };

    private static readonly Dictionary<string, string> s_modules = new(StringComparer.Ordinal)
    {
        ["attn_norm"] = "input_layernorm", ["ffn_norm"] = "post_attention_layernorm",
        ["attn_q"] = "self_attn.q_proj", ["attn_k"] = "self_attn.k_proj", ["attn_v"] = "self_attn.v_proj", ["attn_output"] = "self_attn.o_proj",
        ["ffn_gate"] = "mlp.gate_proj", ["ffn_up"] = "mlp.up_proj", ["ffn_down"] = "mlp.down_proj",
    };

    private static readonly (string, string?)[] s_queryKeyNorms = [("attn_q_norm", "self_attn.q_norm"), ("attn_k_norm", "self_attn.k_norm")];

    private static readonly (string, string?)[] s_normsAfter =
        [("post_attention_norm", "post_attention_layernorm"), ("post_ffw_norm", "post_feedforward_layernorm")];

    private static readonly GgufArchitecture[] s_all =
    [
        new() { Name = "llama", HasRotaryPairs = true, Settings = GgufSettings.Biases },
        new() { Name = "mistral", HasRotaryPairs = true, Settings = GgufSettings.Window },
        new() { Name = "qwen2" },
        new() { Name = "qwen3", Modules = With(s_queryKeyNorms), Settings = GgufSettings.Biases },
        new() { Name = "granite", HasRotaryPairs = true, Settings = GgufSettings.Granite },
        new() { Name = "smollm3", HasRotaryPairs = true },
        new()
        {
            Name = "olmo2",
            Modules = With([.. s_queryKeyNorms, .. s_normsAfter, ("attn_norm", null), ("ffn_norm", null)]),
        },
        new()
        {
            Name = "gemma2", HasNormsPlusOne = true, Settings = GgufSettings.Gemma,
            Modules = With([.. s_normsAfter, ("ffn_norm", "pre_feedforward_layernorm")]),
        },
        new()
        {
            Name = "gemma3", ModelType = "gemma3_text", HasNormsPlusOne = true, Settings = GgufSettings.Gemma,
            Modules = With([.. s_queryKeyNorms, .. s_normsAfter, ("ffn_norm", "pre_feedforward_layernorm")]),
        },
    ];

    /// <summary>The value of general.architecture, which is also the beginning of the keys.</summary>
    public required string Name { get; init; }

    /// <summary>model_type of config.json; usually the same.</summary>
    public string ModelType { get => field ?? Name; init; }

    /// <summary>
    /// Whether the rows of queries and keys have the two values of a rotary pair side by side, not half a head apart as in a Hugging Face checkpoint.
    /// </summary>
    public bool HasRotaryPairs { get; init; }

    /// <summary>Whether the weights of norms are stored plus one.</summary>
    public bool HasNormsPlusOne { get; init; }

    /// <summary>Adds what the architecture's own keys say to config.json.</summary>
    public Action<GgufKeys, IDictionary<string, object?>>? Settings { get; init; }

    /// <summary>The modules of a layer: the file's name and that of a Hugging Face checkpoint.</summary>
    public IReadOnlyDictionary<string, string> Modules { get; init; } = s_modules;

    /// <summary>The names of all architectures.</summary>
    public static string Names => string.Join(", ", s_all[..^1].Select(known => known.Name)) + $" or {s_all[^1].Name}";

    /// <summary>Returns the architecture of that model_type; null if there is none.</summary>
    public static GgufArchitecture? For(string modelType) => Array.Find(s_all, architecture => architecture.ModelType == modelType);

    /// <summary>Returns the architecture of a file.</summary>
    /// <exception cref="NlftException">The file names none, or one that is not read.</exception>
    public static GgufArchitecture Of(GgufMetadata metadata)
    {
        var name = metadata.Text(Key);
        return Array.Find(s_all, architecture => architecture.Name == name)
            ?? throw metadata.Refuse(Key, Names, "Use a model of one of these architectures.");
    }

    /// <summary>Returns the name that a tensor has in a Hugging Face checkpoint; null for one that no such model has.</summary>
    public string? HuggingFaceName(string tensor)
    {
        if (s_outer.TryGetValue(tensor, out var outer)) return outer;
        return tensor.Split('.') is ["blk", var layer, var module, "weight" or "bias"]
            && int.TryParse(layer, out var number) && number >= 0 && layer == $"{number}" && Modules.TryGetValue(module, out var known)
            ? $"model.layers.{layer}.{known}.{tensor[(tensor.LastIndexOf('.') + 1)..]}" : null;
    }

    /// <summary>Returns the name that a weight of a Hugging Face checkpoint has in a file.</summary>
    public string FileName(string weight)
    {
        if (s_outer.FirstOrDefault(pair => pair.Value == weight).Key is { } outer) return outer;
        var (parts, kind) = (weight.Split('.', 4), weight[(weight.LastIndexOf('.') + 1)..]); // model.layers.N.MODULE.weight
        return $"blk.{parts[2]}.{Modules.First(pair => $"{pair.Value}.{kind}" == parts[3]).Key}.{kind}";
    }

    private static Dictionary<string, string> With(params ReadOnlySpan<(string File, string? HuggingFace)> changes)
    {
        var modules = new Dictionary<string, string>(s_modules, StringComparer.Ordinal);
        foreach (var (file, name) in changes)
        {
            if (name is null) modules.Remove(file);
            else modules[file] = name;
        }
        return modules;
    }
}
