using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TestKit;

/// <summary>Random models of a few thousand weights, one of every kind of decoder layer beside that of llama.</summary>
public static class Architectures
{
    private static readonly RopeConfiguration s_longRope = new()
    {
        Type = "longrope", RotatedShare = 0.5, Factor = 8, OriginalMaximumPositions = 6, ShortFactors = [1, 1.5], LongFactors = [2, 6],
    };

    private static readonly Dictionary<string, ModelConfiguration> s_all = new()
    {
        ["mixtral"] = Base with { ModelType = "mixtral", Experts = new() { Count = 5, PerToken = 2, IntermediateSize = 20 } },
        ["qwen3_moe"] = Base with
        {
            ModelType = "qwen3_moe", QueryKeyNorm = true,
            Experts = new() { Count = 4, PerToken = 3, IntermediateSize = 12, NormalizeWeights = false, Layers = [true, false] },
        },
        ["phi3"] = Base with { ModelType = "phi3", MaximumPositions = 48, Rope = s_longRope },
        ["phi"] = Base with
        {
            ModelType = "phi", NormKind = NormKind.Layer, Activation = Activation.GeluTanh, ParallelResidual = true, QkvBias = true,
            OutputBias = true,
            MlpBias = true, Rope = new() { RotatedShare = 0.5 },
        },
        ["gpt_neox"] = NeoX with { ParallelResidual = true },
        ["gpt_neox, one after the other"] = NeoX,
        ["gpt2"] = Base with
        {
            ModelType = "gpt2", NormKind = NormKind.Layer, Activation = Activation.GeluTanh, QkvBias = true, OutputBias = true, MlpBias = true,
            KeyValueHeadCount = 2, TieWordEmbeddings = true,
        },
    };

    private static ModelConfiguration Base => new()
    {
        ModelType = "llama", VocabularySize = 23, HiddenSize = 16, IntermediateSize = 20, LayerCount = 2, HeadCount = 2, KeyValueHeadCount = 1,
        HeadSize = 8,
        MaximumPositions = 32, SlidingWindows = [0, 0],
    };

    private static ModelConfiguration NeoX => Base with
    {
        ModelType = "gpt_neox", NormKind = NormKind.Layer, Activation = Activation.Gelu, QkvBias = true, OutputBias = true, MlpBias = true,
        KeyValueHeadCount = 2, Rope = new() { RotatedShare = 0.25 },
    };

    /// <summary>The names of those without experts, as data rows.</summary>
    public static IEnumerable<object[]> Names => s_all.Where(pair => pair.Value.Experts is null).Select(pair => new object[] { pair.Key });

    /// <summary>All names, as data rows.</summary>
    public static IEnumerable<object[]> AllNames => s_all.Keys.Select(name => new object[] { name });

    /// <summary>The configuration of that name.</summary>
    public static ModelConfiguration Configuration(string name) => s_all[name];

    /// <summary>Creates a model whose vectors differ from ones and zeros and whose matrices preserve the length of their input.</summary>
    public static ModelFolder Create(string name, int seed = 1)
    {
        var random = new Random(seed);
        using var plain = TinyModels.Create(seed, s_all[name]);
        return TinyModels.Rewrite(plain, TensorType.F32, (_, values, columns) => [.. values.Select(value =>
            values.Length == columns ? value + 0.5f * (random.NextSingle() - 0.5f)
                : (float)((random.NextDouble() - 0.5) * Math.Sqrt(12.0 / columns)))]);
    }
}
