namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>How a GGUF file spells an architecture: its name, the order of rows, keys beyond those that all architectures share.</summary>
internal sealed record GgufArchitecture
{
    /// <summary>The embedding of the tokens in a file.</summary>
    public const string Embedding = "token_embd.weight";

    /// <summary>The output layer in a file; that of a tied model is its embedding.</summary>
    public const string Head = "output.weight";

    private const string Key = "general.architecture";

    /// <summary>The modules outside of layers by their names in a file.</summary>
    private static readonly Dictionary<string, Func<ModuleNames, string?>> s_outer = new(StringComparer.Ordinal)
    {
        ["token_embd"] = names => names.Embedding,
        ["output_norm"] = names => names.FinalNorm,
        ["output"] = names => names.Head,
    };

    /// <summary>The modules of a layer by their names in a file.</summary>
    private static readonly Dictionary<string, Func<ModuleNames, string?>> s_inner = new(StringComparer.Ordinal)
    {
        ["attn_norm"] = names => names.AttentionNorm,
        ["attn_q"] = names => names.Qkv is [var queries, _, _] ? queries : null,
        ["attn_k"] = names => names.Qkv is [_, var keys, _] ? keys : null,
        ["attn_v"] = names => names.Qkv is [_, _, var values] ? values : null,
        ["attn_qkv"] = names => names.Qkv is [var all] ? all : null,
        ["attn_q_norm"] = names => names.QueryNorm,
        ["attn_k_norm"] = names => names.KeyNorm,
        ["attn_output"] = names => names.Output,
        ["post_attention_norm"] = names => names.AttentionOutputNorm,
        ["ffn_norm"] = names => names.FeedForwardNorm,
        ["ffn_gate"] = names => names.GateUp is [var gate, _] ? gate : null,
        ["ffn_up"] = names => names.GateUp[^1],
        ["ffn_down"] = names => names.Down,
        ["post_ffw_norm"] = names => names.FeedForwardOutputNorm,
    };

    private static readonly GgufArchitecture[] s_all =
    [
        new() { Name = "llama", HasRotaryPairs = true, Settings = GgufSettings.Biases },
        new() { Name = "mistral", HasRotaryPairs = true, Settings = GgufSettings.Window },
        new() { Name = "qwen2" },
        new() { Name = "qwen3", Settings = GgufSettings.Biases },
        new() { Name = "granite", HasRotaryPairs = true, Settings = GgufSettings.Granite },
        new() { Name = "smollm3", HasRotaryPairs = true },
        new() { Name = "olmo2" },
        new() { Name = "gemma2", Settings = GgufSettings.Gemma },
        new() { Name = "gemma3", ModelType = "gemma3_text", Settings = GgufSettings.Gemma },
        new() { Name = "phi3", Settings = GgufSettings.Window },
    ];

    /// <summary>The value of general.architecture, which is also the beginning of the keys.</summary>
    public required string Name { get; init; }

    /// <summary>model_type of config.json; usually the same.</summary>
    public string ModelType { get => field ?? Name; init; }

    /// <summary>The architecture of that model_type.</summary>
    public ModelArchitecture Model => ModelArchitecture.Of(ModelType)!;

    /// <summary>
    /// Whether the rows of queries and keys have the two values of a rotary pair side by side, not half a head apart as in a Hugging Face checkpoint.
    /// </summary>
    public bool HasRotaryPairs { get; init; }

    /// <summary>Adds what the architecture's own keys say to config.json.</summary>
    public Action<GgufKeys, IDictionary<string, object?>>? Settings { get; init; }

    /// <summary>Returns the architecture of that model_type; null if there is none.</summary>
    public static GgufArchitecture? For(string modelType) => Array.Find(s_all, architecture => architecture.ModelType == modelType);

    /// <summary>Returns the architecture of a file.</summary>
    /// <exception cref="NlftException">The file names none, or one that is not read.</exception>
    public static GgufArchitecture Of(GgufMetadata metadata)
    {
        var name = metadata.Text(Key);
        return Array.Find(s_all, architecture => architecture.Name == name)
            ?? throw metadata.Refuse(Key, string.Join(", ", s_all[..^1].Select(known => known.Name)) + $" or {s_all[^1].Name}",
                "Use a model of one of these architectures.");
    }

    /// <summary>Returns the name that a tensor has in a Hugging Face checkpoint; null for one that no such model has.</summary>
    public string? HuggingFaceName(string tensor)
    {
        var names = Model.Modules;
        var (module, layer) = tensor.Split('.') switch
        {
            [var outer, "weight" or "bias"] when s_outer.TryGetValue(outer, out var name) => (name(names), ""),
            ["blk", var number, var inner, "weight" or "bias"] when IsNumber(number) && s_inner.TryGetValue(inner, out var name) =>
                (name(names), $"{names.Layers}.{number}."),
            _ => (null, ""),
        };
        return module is null ? null : layer + module + tensor[tensor.LastIndexOf('.')..];

        static bool IsNumber(string text) => int.TryParse(text, out var number) && number >= 0 && text == $"{number}";
    }

    /// <summary>Returns the name that a weight of a Hugging Face checkpoint has in a file.</summary>
    public string FileName(string weight)
    {
        var names = Model.Modules;
        var end = weight.LastIndexOf('.');
        var (module, kind) = (weight[..end], weight[end..]);
        if (s_outer.FirstOrDefault(pair => pair.Value(names) == module).Key is { } outer) return outer + kind;
        var (layer, inner) = module[(names.Layers.Length + 1)..].Split('.', 2) is [var number, var rest] ? (number, rest) : ("", module);
        return $"blk.{layer}.{s_inner.First(pair => pair.Value(names) == inner).Key}{kind}";
    }
}
