using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TestKit;

/// <summary>A golden or random model, an adapter and a sequence, to compare with the oracle.</summary>
public sealed class EngineCase : IDisposable
{
    private const string Random = "random ";

    /// <summary>Creates a case that owns the folder.</summary>
    public EngineCase(ModelFolder folder, LoraAdapter adapter, TokenSequence sequence) => (Folder, Adapter, Sequence) = (folder, adapter, sequence);

    private static readonly string[] s_kinds = ["llama", "mistral", "qwen2", "qwen3", "granite", "smollm3", "olmo2", "gemma2", "gemma3_text",
        "phi3", "phi", "gpt_neox", "gpt2"];

    /// <summary>The names of the golden models, if available, and of a random one of every architecture, as data rows.</summary>
    public static IEnumerable<object[]> Names =>
        Fixtures.Folders("golden", "llama").Concat(Enumerable.Range(1, s_kinds.Length).Select(seed => new object[] { $"{Random}{seed}" }));

    /// <summary>The base model.</summary>
    public ModelFolder Folder { get; }

    /// <summary>An adapter for it without dropout; both of its factors differ from zero.</summary>
    public LoraAdapter Adapter { get; }

    /// <summary>A prompt and a response.</summary>
    public TokenSequence Sequence { get; }

    /// <summary>Opens a case.</summary>
    /// <param name="name">One of <see cref="Names"/>; "random N" works for every integer N.</param>
    public static EngineCase Open(string name)
    {
        if (name.StartsWith(Random, StringComparison.Ordinal)) return FromSeed(int.Parse(name.AsSpan(Random.Length)));
        using var golden = new Golden(name);
        return new EngineCase(ModelFolder.Open(golden.Folder.Path), golden.Adapter, golden.Sequence);
    }

    /// <inheritdoc/>
    public void Dispose() => Folder.Dispose();

    /// <summary>
    /// Draws sizes, architecture and scales from the seed. Matrices have half to twice the scale that preserves the length of their input.
    /// </summary>
    private static EngineCase FromSeed(int seed)
    {
        var random = new Random(seed);
        var kind = s_kinds[(seed - 1) % s_kinds.Length];
        var isGemma = kind.StartsWith("gemma", StringComparison.Ordinal);
        int keyHeads = random.Next(1, 4), layers = random.Next(1, 5), vocabulary = random.Next(20, 200), hidden = 4 * random.Next(4, 17);
        var configuration = new ModelConfiguration
        {
            ModelType = kind,
            VocabularySize = vocabulary,
            HiddenSize = hidden,
            IntermediateSize = 4 * random.Next(4, 33),
            LayerCount = layers,
            HeadCount = keyHeads * random.Next(1, 4),
            KeyValueHeadCount = keyHeads,
            HeadSize = 2 * random.Next(2, 9),
            MaximumPositions = 128,
            TieWordEmbeddings = random.Next(2) == 0,
            QkvBias = kind == "qwen2",
            QueryKeyNorm = kind is "qwen3" or "olmo2" or "gemma3_text",
            Norms = kind == "olmo2" ? NormPlacement.After : isGemma ? NormPlacement.Both : NormPlacement.Before,
            NormKind = isGemma ? NormKind.RmsPlusOne : NormKind.Rms,
            Activation = isGemma ? Activation.GeluTanh : Activation.Silu,
            SlidingRope = kind == "gemma3_text" ? new RopeConfiguration { Theta = 300 } : null,
            AttentionSoftCap = kind == "gemma2" ? 2 : null,
            LogitsSoftCap = isGemma ? 5 : null,
            RotatedLayers = kind == "smollm3" ? [.. Enumerable.Range(0, layers).Select(layer => layer % 2 == 0)] : null,
            EmbeddingMultiplier = kind == "granite" ? 3 : isGemma ? Math.Sqrt(hidden) : 1,
            AttentionMultiplier = kind is "granite" or "gemma2" ? 0.4 : null,
            ResidualMultiplier = kind == "granite" ? 0.7 : 1,
            LogitsDivisor = kind == "granite" ? 1.5 : 1,
            SlidingWindows = [.. Enumerable.Range(0, layers).Select(layer => kind == "mistral" || (kind == "qwen3" && layer % 2 == 1)
                || (isGemma && layer % 2 == 0) ? 9 : 0)],
        };
        configuration = kind switch
        {
            "phi3" => configuration with { Rope = LongRope(configuration.HeadSize / 2) },
            "phi" => WithLayerNorm(configuration) with { HeadSize = 8, ParallelResidual = true, Rope = new() { RotatedShare = 0.5 } },
            "gpt_neox" => WithoutGroups(configuration) with { ParallelResidual = seed % 2 == 0, Rope = new() { RotatedShare = 0.25 } },
            "gpt2" => WithoutGroups(configuration),
            _ => configuration,
        };
        var spread = Math.Pow(2, 2 * random.NextDouble() - 1);
        var path = TinyModels.NewFolder();
        var weights = ModelLayout.Weights(configuration).Select(weight => Tensor(weight.Name, [.. weight.Shape.Select(size => (int)size)]));
        ModelFolderWriter.Write(path, configuration, [.. weights], TensorType.F32);
        var lora = new LoraConfiguration { Rank = random.Next(1, 9), Alpha = 8, Dropout = 0, TargetPattern = LoraConfiguration.AllLinear };
        var adapter = LoraAdapter.Create(lora, configuration, seed);
        adapter = new LoraAdapter(adapter.Configuration, [.. adapter.Factors.Select(factor => Tensor(factor.Name, factor.Shape))]);
        var tokens = Enumerable.Range(0, random.Next(20, 60)).Select(_ => random.Next(vocabulary)).ToArray();
        return new EngineCase(ModelFolder.Open(path), adapter, new TokenSequence(tokens, random.Next(1, 10)));

        NamedTensor Tensor(string name, int[] shape)
        {
            var values = new float[shape.Aggregate(1, (product, size) => product * size)];
            var scale = name == ModelLayout.Embedding(configuration).Name ? 1 : spread / Math.Sqrt(shape[^1]);
            foreach (ref var value in values.AsSpan())
            {
                var uniform = random.NextDouble() - 0.5;
                var isNorm = shape.Length == 1 && name.EndsWith(".weight", StringComparison.Ordinal);
                value = (float)(isNorm ? (isGemma ? 0 : 1) + uniform : scale * Math.Sqrt(12) * uniform);
            }
            return new NamedTensor(name, shape, values);
        }
    }

    /// <summary>Long enough for the sequences of the cases, so that they are all short ones.</summary>
    private static RopeConfiguration LongRope(int pairs) => new()
    {
        Type = "longrope", Factor = 2, OriginalMaximumPositions = 64, ShortFactors = [.. Enumerable.Range(0, pairs).Select(i => 1 + 0.1 * i)],
        LongFactors = [.. Enumerable.Range(0, pairs).Select(i => 2.0 + i)],
    };

    private static ModelConfiguration WithLayerNorm(ModelConfiguration c) => c with
    {
        NormKind = NormKind.Layer, Activation = c.ModelType == "gpt_neox" ? Activation.Gelu : Activation.GeluTanh, QkvBias = true, OutputBias = true,
        MlpBias = true,
    };

    private static ModelConfiguration WithoutGroups(ModelConfiguration c) =>
        WithLayerNorm(c) with { HeadSize = 8, KeyValueHeadCount = c.HeadCount, HiddenSize = 8 * c.HeadCount };
}
