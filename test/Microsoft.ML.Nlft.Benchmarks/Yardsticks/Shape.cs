using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Benchmarks.Yardsticks;

/// <summary>The shape of a model to measure. Its weights are random: speed and memory do not depend on them.</summary>
internal sealed record Shape(string Name, int Hidden, int Intermediate, int Layers, int Heads, int KeyValueHeads, int HeadSize, int Vocabulary,
    string ModelType = "llama", int Positions = 4096)
{
    public static readonly Shape Tiny = new("tiny-3m", 160, 448, 6, 5, 5, 32, 2048);
    public static readonly Shape Small = new("small-20m", 384, 1024, 8, 6, 2, 64, 8192);
    public static readonly Shape SmolLm2 = new("smollm2-135m", 576, 1536, 30, 9, 3, 64, 49152);
    public static readonly Shape Qwen25 = new("qwen2.5-0.5b", 896, 4864, 24, 14, 2, 64, 151936);
    public static readonly Shape Qwen3 = new("qwen3-0.6b", 1024, 3072, 28, 16, 8, 128, 151936, "qwen3");
    public static readonly Shape Gemma3 = new("gemma-3-270m", 640, 2048, 18, 4, 1, 256, 262144, "gemma3_text");

    public static Shape Named(string name) => new[] { Tiny, Small, SmolLm2, Qwen25, Qwen3, Gemma3 }.Single(shape => shape.Name == name);

    public ModelConfiguration Configuration => ModelType switch
    {
        "qwen3" => Llama with { ModelType = ModelType, QueryKeyNorm = true },
        "gemma3_text" => Llama with
        {
            ModelType = ModelType,
            QueryKeyNorm = true,
            Norms = NormPlacement.Both,
            NormKind = NormKind.RmsPlusOne,
            Activation = Activation.GeluTanh,
            EmbeddingMultiplier = Math.Sqrt(Hidden),
            Rope = new RopeConfiguration { Theta = 1000000 },
            SlidingRope = new RopeConfiguration(),
            SlidingWindows = [.. Enumerable.Range(1, Layers).Select(layer => layer % 6 == 0 ? 0 : 512)],
        },
        _ => Llama,
    };

    private ModelConfiguration Llama => new()
    {
        ModelType = "llama",
        VocabularySize = Vocabulary,
        HiddenSize = Hidden,
        IntermediateSize = Intermediate,
        LayerCount = Layers,
        HeadCount = Heads,
        KeyValueHeadCount = KeyValueHeads,
        HeadSize = HeadSize,
        MaximumPositions = Positions,
        NormEpsilon = 1e-5,
        TieWordEmbeddings = true,
        SlidingWindows = [.. new int[Layers]],
    };

    /// <summary>Returns a model folder with random weights of this shape, created on first use.</summary>
    public string Folder(string artifacts, TensorType type)
    {
        var folder = Path.Combine(artifacts, "models", $"{Name}-{type.ToString().ToLowerInvariant()}");
        if (!File.Exists(Path.Combine(folder, "model.safetensors"))) ModelInitializer.Create(folder, Configuration, seed: 1, type);
        return folder;
    }

    /// <summary>Floating-point operations of the products of all layers for one token, forward: two for every weight.</summary>
    public double LayerFlops => 2.0 * Layers * ((double)Hidden * HeadSize * (2 * Heads + 2 * KeyValueHeads) + 3.0 * Hidden * Intermediate);

    /// <summary>Floating-point operations of causal attention over a sequence, forward: Q K^T and P V over every pair of positions.</summary>
    public double AttentionFlops(int tokens) => 2.0 * Layers * Heads * HeadSize * tokens * tokens;

    /// <summary>Floating-point operations of the output layer for one token, forward.</summary>
    public double HeadFlops => 2.0 * Hidden * Vocabulary;

    /// <summary>
    /// Minimum floating-point operations of a step on a wrong row with frozen weights: three contexts forward; one context backward, where the layers
    /// need as many products as forward and attention five instead of two; the mean row of the output layer. LoRA's own products are not counted.
    /// </summary>
    public double WrongStepFlops(int prompt, int extra, int response)
    {
        int trained = prompt + response, constant = trained + extra;
        return LayerFlops * (2 * trained + 2 * constant) + AttentionFlops(trained) * 3.5 + AttentionFlops(constant) * 2 + HeadFlops * 4 * response;
    }

    /// <summary>Bytes of all weights as an engine holds them in 32, 16, 8 or 4 bits, with the scales of the last two.</summary>
    public long HeldBytes(int bits)
    {
        var estimate = new MemoryEstimate(Configuration, WeightBytes(bits / 8), 1, 1);
        return bits switch { 8 => estimate.Int8Weights, 4 => estimate.Int4Weights, _ => estimate.Weights };
    }

    /// <summary>Bytes of all weights in one type, which decoding reads for each token.</summary>
    public long WeightBytes(int bytesPerWeight) => (long)bytesPerWeight *
        ((long)Vocabulary * Hidden + Layers * ((long)Hidden * HeadSize * (2 * Heads + 2 * KeyValueHeads) + 3L * Hidden * Intermediate));
}
