namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// How a GGUF file spells an architecture: its name, those of its tensors, the order of rows, keys beyond those that all architectures share. Names
/// are those of llama.cpp's gguf-py (constants.py, tensor_mapping.py).
/// </summary>
internal sealed record GgufArchitecture
{
    /// <summary>The embedding of the tokens in a file.</summary>
    public const string Embedding = "token_embd.weight";

    /// <summary>The embedding of the positions in a file.</summary>
    public const string Positions = "position_embd.weight";

    /// <summary>The output layer in a file; that of a tied model is its embedding.</summary>
    public const string Head = "output.weight";

    /// <summary>The end of the name of a router.</summary>
    public const string Router = ".ffn_gate_inp.weight";

    private const string Key = "general.architecture";

    /// <summary>The modules outside of layers by their names in a file.</summary>
    private static readonly Dictionary<string, Func<ModuleNames, string?>> s_outer = new(StringComparer.Ordinal)
    {
        ["token_embd"] = names => names.Embedding,
        ["position_embd"] = names => names.Positions,
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
        ["ffn_norm"] = names => names.FeedForwardNorm == names.AttentionNorm ? null : names.FeedForwardNorm,
        ["ffn_gate"] = names => names.GateUp is [var gate, _] ? gate : null,
        ["ffn_up"] = names => names.GateUp[^1],
        ["ffn_down"] = names => names.Down,
        ["ffn_gate_inp"] = names => $"{names.Experts}.gate",
        ["post_ffw_norm"] = names => names.FeedForwardOutputNorm,
    };

    /// <summary>The matrices of an expert by the names of the stacks of all experts of a layer in a file.</summary>
    private static readonly Dictionary<string, Func<ModuleNames, string>> s_stacks = new(StringComparer.Ordinal)
    {
        ["ffn_gate_exps"] = names => names.Expert.Gate,
        ["ffn_up_exps"] = names => names.Expert.Up,
        ["ffn_down_exps"] = names => names.Expert.Down,
    };

    private static readonly GgufArchitecture[] s_all =
    [
        new() { Name = "llama", HasRotaryPairs = true, Settings = GgufSettings.Biases },
        new() { Name = "llama", ModelType = "mixtral", HasRotaryPairs = true, Settings = GgufSettings.Experts },
        new() { Name = "mistral", HasRotaryPairs = true, Settings = GgufSettings.Window },
        new() { Name = "qwen2" },
        new() { Name = "qwen3", Settings = GgufSettings.Biases },
        new() { Name = "qwen3moe", ModelType = "qwen3_moe", Settings = GgufSettings.Experts },
        new() { Name = "granite", HasRotaryPairs = true, Settings = GgufSettings.Granite },
        new() { Name = "smollm3", HasRotaryPairs = true },
        new() { Name = "olmo2" },
        new() { Name = "gemma2", Settings = GgufSettings.Gemma },
        new() { Name = "gemma3", ModelType = "gemma3_text", Settings = GgufSettings.Gemma },
        new() { Name = "phi3", Settings = GgufSettings.Window },
        new() { Name = "phi2", ModelType = "phi" },
        new() { Name = "gptneox", ModelType = "gpt_neox", Settings = GgufSettings.NeoX },
        new() { Name = "gpt2" },
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

    /// <summary>The key of the epsilon of norms, behind the architecture's name.</summary>
    public string NormEpsilonKey => Model.NormKind == NormKind.Layer ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon";

    /// <summary>Returns the architecture of that model_type; every model_type has one.</summary>
    public static GgufArchitecture For(string modelType) => Array.Find(s_all, architecture => architecture.ModelType == modelType)!;

    /// <summary>Returns the architecture of a file.</summary>
    /// <exception cref="NlftException">The file names none, or one that is not read.</exception>
    public static GgufArchitecture Of(GgufMetadata metadata)
    {
        var name = metadata.Text(Key);
        var known = Array.FindAll(s_all, architecture => architecture.Name == name);
        var hasExperts = metadata.Integer($"{name}.expert_count") > 0;
        return Array.Find(known, architecture => architecture.Model.Experts is not null == hasExperts) ?? known.FirstOrDefault()
            ?? throw metadata.Refuse(Key, string.Join(", ", s_all[..^1].Select(known => known.Name).Distinct()) + $" or {s_all[^1].Name}",
                "Use a model of one of these architectures.");
    }

    /// <summary>Returns the name that a tensor has in a Hugging Face checkpoint; null for one that no such model has.</summary>
    /// <param name="tensor">Its name in a file.</param>
    /// <param name="expert">Which matrix of a stack of experts; null: the tensor is a single matrix or vector.</param>
    public string? HuggingFaceName(string tensor, int? expert = null)
    {
        var names = Model.Modules;
        var (module, layer) = tensor.Split('.') switch
        {
            [var outer, "weight" or "bias"] when expert is null && s_outer.TryGetValue(outer, out var name) => (name(names), ""),
            ["blk", var number, var inner, "weight" or "bias"] when expert is null && IsNumber(number) && s_inner.TryGetValue(inner, out var name) =>
                (name(names), $"{names.Layers}.{number}."),
            ["blk", var number, var stack, "weight"] when expert is not null && IsNumber(number) && s_stacks.TryGetValue(stack, out var name) =>
                (ExpertModule(expert.Value, name(names)), $"{names.Layers}.{number}."),
            _ => (null, ""),
        };
        return module is null ? null : layer + module + tensor[tensor.LastIndexOf('.')..];

        static bool IsNumber(string text) => int.TryParse(text, out var number) && number >= 0 && text == $"{number}";
    }

    /// <summary>Returns the name that a weight of a Hugging Face checkpoint has in a file; that of a stack for the matrix of an expert.</summary>
    public string FileName(string weight)
    {
        var names = Model.Modules;
        var end = weight.LastIndexOf('.');
        var (module, kind) = (weight[..end], weight[end..]);
        if (s_outer.FirstOrDefault(pair => pair.Value(names) == module).Key is { } outer) return outer + kind;
        var (layer, inner) = module[(names.Layers.Length + 1)..].Split('.', 2) is [var number, var rest] ? (number, rest) : ("", module);
        var isExpert = inner.StartsWith($"{names.Experts}.experts.", StringComparison.Ordinal);
        var file = isExpert ? s_stacks.First(pair => inner.EndsWith($".{pair.Value(names)}", StringComparison.Ordinal)).Key
            : s_inner.First(pair => pair.Value(names) == inner).Key;
        return $"blk.{layer}.{file}{kind}";
    }

    /// <summary>Whether a tensor of a file is a stack of the matrices of all experts of a layer.</summary>
    public static bool IsStack(string tensor) => tensor.Split('.') is [_, _, var name, _] && s_stacks.ContainsKey(name);

    /// <summary>Returns how the rows of a weight are ordered in a file.</summary>
    /// <param name="weight">A weight of a Hugging Face checkpoint, or its module.</param>
    /// <param name="model">The sizes of the model.</param>
    public RowOrder OrderOf(string weight, ModelConfiguration model)
    {
        var isProjection = Model.Modules.Qkv.Take(2).Any(name => $"{weight}.".Contains($".{name}.", StringComparison.Ordinal));
        return !isProjection ? RowOrder.Same : HasRotaryPairs ? RowOrder.Pairs(model.HeadSize)
            : Model.QkvLayout == QkvLayout.ByHead ? RowOrder.ByHead(model.HeadCount, model.HeadSize) : RowOrder.Same;
    }

    /// <summary>Returns whether a checkpoint holds a matrix input by output: a file has all of them output by input.</summary>
    public bool IsTransposed(WeightShape weight) => Model.TransposedWeights && weight.Shape.Length == 2
        && Model.Modules.IsLinear(weight.Name[..weight.Name.LastIndexOf('.')]);

    private string ExpertModule(int expert, string projection) => $"{Model.Modules.Experts}.experts.{expert}.{projection}";
}
