using System.Text.Json.Nodes;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// What a name under tokenizer.ggml.pre stands for: the steps that split a text before byte-pair encoding, each to the pieces of the one before, as
/// llama.cpp or, where it only approximates them, the original tokenizers have them.
/// </summary>
internal sealed record GgufPreTokenizer
{
    private const string Key = "tokenizer.ggml.pre";

    private const string Contractions = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)";
    private const string OthersAndSpaces = @"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    private const string Letters = @"|[^\r\n\p{L}\p{N}]?\p{L}+";
    private const string Capitals = @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+";
    private const string Capitalised = @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*";
    private const string OthersWithSlashes = @"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    public const string Gpt2 = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
    public const string Llama3 = Contractions + Letters + @"|\p{N}{1,3}" + OthersAndSpaces;
    public const string Qwen2 = Contractions + Letters + @"|\p{N}" + OthersAndSpaces;

    private static readonly GgufPreTokenizer[] s_all =
    [
        new()
        {
            Names = ["default"],
            Patterns = [@"[\p{P}\$\+<=>\^~\|]+", Gpt2, @"\p{N}+", "[0-9][0-9][0-9]"],
        },
        new()
        {
            Names = ["llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"],
            Patterns = [Llama3], IgnoresMerges = true, AddsBeginning = true,
        },
        new() { Names = ["dbrx", "smaug-bpe", "glm4", "chatglm-bpe"], Patterns = [Llama3] },
        new() { Names = ["qwen2"], Patterns = [Qwen2], Composes = true },
        new() { Names = ["deepseek-r1-qwen", "stablelm2", "megrez", "hunyuan", "solar-open", "grok-2"], Patterns = [Qwen2] },
        new()
        {
            Names = ["gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "granite-docling", "exaone4", "gigachat", "a.x-4.0", "mellum"],
            Patterns = [Gpt2],
        },
        new()
        {
            Names = ["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2"],
            SplitsDigits = true, Patterns = [Gpt2],
        },
        new() { Names = ["falcon"], Patterns = [@"[\p{P}\$\+<=>\^~\|`]+", Gpt2, "[0-9][0-9][0-9]"] },
        new()
        {
            Names = ["deepseek-coder"],
            Patterns = [@"[\r\n]", @"\s?\p{L}+", @"\s?\p{P}+", "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+", @"\p{N}"],
        },
        new()
        {
            Names = ["tekken"], Patterns = [Capitals + "|" + Capitalised + @"|\p{N}" + OthersWithSlashes], IgnoresMerges = true, AddsBeginning = true,
        },
        new()
        {
            Names = ["gpt-4o", "llama4"],
            Patterns = [Capitals + Contractions + "?|" + Capitalised + Contractions + @"?|\p{N}{1,3}" + OthersWithSlashes],
        },
    ];

    /// <summary>All that are known.</summary>
    public static IReadOnlyList<GgufPreTokenizer> All => s_all;

    /// <summary>The names that stand for it.</summary>
    public required string[] Names { get; init; }

    /// <summary>Regular expressions, whose matches become pieces of their own one after the other.</summary>
    public required string[] Patterns { get; init; }

    /// <summary>Whether every digit becomes a piece of its own first.</summary>
    public bool SplitsDigits { get; private init; }

    /// <summary>Whether characters are composed first (NFC), which llama.cpp leaves out.</summary>
    public bool Composes { get; private init; }

    /// <summary>Whether a piece that is a token becomes that token without any merges.</summary>
    public bool IgnoresMerges { get; private init; }

    /// <summary>Whether a text begins with the beginning-of-sequence token where the file does not say.</summary>
    public bool AddsBeginning { get; private init; }

    /// <summary>Returns what the file names.</summary>
    /// <exception cref="NlftException">The name is unknown.</exception>
    public static GgufPreTokenizer Of(GgufMetadata metadata)
    {
        var name = metadata.Text(Key) ?? "default";
        return Array.Find(s_all, known => known.Names.Contains(name)) ?? throw metadata.Refuse(Key,
            string.Join(", ", s_all.SelectMany(known => known.Names).Order(StringComparer.Ordinal)),
            "Use a model whose tokenizer is one of these: pieces of any other kind would be wrong.");
    }

    /// <summary>Returns the steps as pre_tokenizer of tokenizer.json.</summary>
    public JsonObject ToJson()
    {
        List<JsonNode> steps = [];
        if (SplitsDigits) steps.Add(new JsonObject { ["type"] = "Digits", ["individual_digits"] = true });
        var ofGpt2 = Patterns[^1] == Gpt2; // which ByteLevel splits by itself
        foreach (var pattern in ofGpt2 ? Patterns[..^1] : Patterns)
        {
            steps.Add(new JsonObject
            {
                ["type"] = "Split", ["pattern"] = new JsonObject { ["Regex"] = pattern }, ["behavior"] = "Isolated", ["invert"] = false,
            });
        }
        steps.Add(new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["trim_offsets"] = true, ["use_regex"] = ofGpt2 });
        return new JsonObject { ["type"] = "Sequence", ["pretokenizers"] = new JsonArray([.. steps]) };
    }
}
