using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TinyModel.Pretraining;

/// <summary>All settings that determine the tiny base model.</summary>
public sealed record PretrainingRecipe
{
    /// <summary>The token that ends an answer and pads.</summary>
    public const string EndOfText = "<|endoftext|>";

    /// <summary>The special tokens in the order of their ids: end of text, then one marker per role.</summary>
    public static IReadOnlyList<string> SpecialTokens { get; } = [EndOfText, "<|system|>", "<|user|>", "<|assistant|>"];

    /// <summary>The chat template: a marker per role, the text, and the end token after an answer.</summary>
    public const string ChatTemplate =
        "{%- for message in messages %}{{- '<|' + message['role'] + '|>' + message['content'] }}"
        + "{%- if message['role'] == 'assistant' %}{{- eos_token }}{%- endif %}{%- endfor %}"
        + "{%- if add_generation_prompt %}{{- '<|assistant|>' }}{%- endif %}";

    /// <summary>Seed of the weights, the rows and their order.</summary>
    public int Seed { get; init; } = 20250101;

    /// <summary>Maximum number of token ids.</summary>
    public int VocabularySize { get; init; } = 768;

    /// <summary>Number of rows to train the tokenizer on.</summary>
    public int TokenizerRows { get; init; } = 5000;

    /// <summary>Width of the residual stream.</summary>
    public int HiddenSize { get; init; } = 128;

    /// <summary>Width of the feed-forward layer.</summary>
    public int IntermediateSize { get; init; } = 384;

    /// <summary>Decoder layers.</summary>
    public int LayerCount { get; init; } = 4;

    /// <summary>Attention heads.</summary>
    public int HeadCount { get; init; } = 4;

    /// <summary>Maximum positions in config.json.</summary>
    public int MaximumPositions { get; init; } = 1024;

    /// <summary>Optimizer steps.</summary>
    public int Steps { get; init; } = 2500;

    /// <summary>Rows per step; every row is drawn once.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>Peak learning rate.</summary>
    public double LearningRate { get; init; } = 3e-3;

    /// <summary>Share of the steps in which the learning rate rises.</summary>
    public double WarmupRatio { get; init; } = 0.04;

    /// <summary>The optimizer; a smaller beta2 than AdamW's default suits a short run.</summary>
    public AdamWOptions Optimizer { get; init; } = new() { Beta2 = 0.97 };

    /// <summary>The mix of rows.</summary>
    public MixShares Shares { get; init; } = new();

    /// <summary>The architecture.</summary>
    public ModelConfiguration Configuration => new()
    {
        ModelType = "llama",
        VocabularySize = VocabularySize,
        HiddenSize = HiddenSize,
        IntermediateSize = IntermediateSize,
        LayerCount = LayerCount,
        HeadCount = HeadCount,
        KeyValueHeadCount = HeadCount,
        HeadSize = HiddenSize / HeadCount,
        MaximumPositions = MaximumPositions,
        NormEpsilon = 1e-5,
        TieWordEmbeddings = true,
        SlidingWindows = new int[LayerCount],
        EndOfSequenceIds = [256],
    };
}
