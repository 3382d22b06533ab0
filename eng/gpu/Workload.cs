using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Gpu;

/// <summary>What to measure: a shape, a batch of rows and a device, parsed from the arguments of the program.</summary>
internal sealed record Workload
{
    private static readonly Dictionary<string, ModelConfiguration> Shapes = new()
    {
        ["tiny"] = Llama(64, 176, 2, 4, 2, 16, 512),
        ["small-20m"] = Llama(384, 1024, 8, 6, 2, 64, 8192) with { TieWordEmbeddings = true },
        ["smollm2-135m"] = Llama(576, 1536, 30, 9, 3, 64, 49152) with { TieWordEmbeddings = true },
        ["1b"] = Llama(2048, 8192, 16, 32, 8, 64, 128256),
        ["8b"] = Llama(4096, 14336, 32, 32, 8, 128, 128256),
    };

    /// <summary>The names that <see cref="Shape"/> may have.</summary>
    public static IEnumerable<string> ShapeNames => Shapes.Keys;

    public string Shape { get; init; } = "8b";
    public string Device { get; init; } = "cuda";
    public string Folder { get; init; } = Path.Combine(Path.GetTempPath(), "nlft-gpu");
    public string[] Modes { get; init; } = ["plain", "recompute", "int8", "int4", "pytorch-lean", "pytorch-published"];

    /// <summary>Threads of every mode on the CPU; 0 for the default of each.</summary>
    public int Threads { get; init; }

    /// <summary>The Python interpreter, which must have PyTorch.</summary>
    public string Python { get; init; } = "python3";
    public int Steps { get; init; } = 5;
    public int Rows { get; init; } = 4;
    public int Prompt { get; init; } = 160;
    public int Extra { get; init; } = 120;
    public int Response { get; init; } = 140;

    /// <summary>The mode to measure in this process; null: all modes, each in its own process.</summary>
    public string? Only { get; init; }

    public ModelConfiguration Model => Shapes[Shape];
    public int BaseLength => Prompt + Response;
    public int LongLength => Prompt + Extra + Response;

    /// <summary>Tokens that the model processes in one step of a mode.</summary>
    public int TokensPerStep(string mode) => Rows * (BaseLength + (IsSupervised(mode) ? 0 : 2 * LongLength));

    /// <summary>
    /// Floating-point operations that the method needs in one step, without recomputation: the judge and standard contexts forward (not in supervised
    /// fine-tuning); the base context forward and, for activations only, backward; the output layer at response tokens only; causal attention.
    /// </summary>
    public double Operations(string mode)
    {
        double layers = ModelLayout.LinearModules(Model).Sum(linear => (double)linear.Outputs * linear.Inputs);
        double head = (double)Model.VocabularySize * Model.HiddenSize;
        double Attention(double length) => 2 * length * length * Model.HeadCount * Model.HeadSize * Model.LayerCount;
        double Forward(double length) => 2 * layers * length + 2 * head * Response + Attention(length);
        var backward = 2 * layers * BaseLength + 2 * head * Response + 2 * Attention(BaseLength);
        return Rows * ((IsSupervised(mode) ? 0 : 2 * Forward(LongLength)) + Forward(BaseLength) + backward);
    }

    /// <summary>Whether a mode trains on the response only, without the judge and standard contexts.</summary>
    public static bool IsSupervised(string mode) => mode.EndsWith("sft", StringComparison.Ordinal);

    private static ModelConfiguration Llama(int hidden, int intermediate, int layers, int heads, int keyValueHeads, int headSize, int vocabulary) =>
        new()
    {
        ModelType = "llama", HiddenSize = hidden, IntermediateSize = intermediate, LayerCount = layers, HeadCount = heads,
        KeyValueHeadCount = keyValueHeads,
        HeadSize = headSize, VocabularySize = vocabulary, MaximumPositions = 4096, SlidingWindows = new int[layers], Rope = new() { Theta = 500000 },
    };
}
