using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tests.Engines;

/// <summary>Tokens and models for sequences that begin alike.</summary>
internal static class AlikeSequences
{
    /// <summary>The tiny model, with room for several tiles and pages of 64 positions.</summary>
    public static ModelConfiguration Plain => TestKit.TinyModels.Configuration with { MaximumPositions = 400 };

    /// <summary>Tokens of every model; with another seed, others from the first one on.</summary>
    public static int[] Ids(int count, int seed) => [.. Enumerable.Range(0, count).Select(i => (seed * (i + 3) + i * i) % 23)];

    /// <summary>Every kind of layer with sequences of at most 32 tokens, and some with several tiles and pages; a factor on lengths.</summary>
    public static IEnumerable<(string Name, int Scale)> Models =>
        [.. TestKit.Architectures.AllNames.Select(name => ((string)name[0], 1)), ("tiny", 5), ("mixture", 5), ("sliding", 5)];

    /// <summary>Creates a model of <see cref="Models"/>.</summary>
    public static ModelFolder Create(string name) => name switch
    {
        "tiny" => TestKit.TinyModels.Create(3, Plain),
        "mixture" => TestKit.TinyModels.Create(3, TestKit.TinyModels.Mixture with { MaximumPositions = 400 }),
        "sliding" => TestKit.TinyModels.Create(3, Plain with { SlidingWindows = [0, 30] }),
        _ => TestKit.Architectures.Create(name),
    };

    /// <summary>The models with the weights of their files, and some with quantised ones.</summary>
    public static IEnumerable<object[]> ModelsAndWeights =>
    [
        .. Models.Select(model => new object[] { model.Name, model.Scale, "" }),
        ["tiny", 5, "int8"], ["tiny", 5, "int4"], ["mixture", 2, "int4"],
    ];

    /// <summary>Returns options for the weights that <see cref="ModelsAndWeights"/> names.</summary>
    public static ManagedEngineOptions Options(string weights) =>
        new() { Threads = 2, Int8Weights = weights == "int8", Int4Weights = weights == "int4" };

    public static ICausalLanguageModel Load(ModelFolder folder, ManagedEngineOptions? options = null, TrainableWeights trainable = default) =>
        new ManagedEngine(options ?? new() { Threads = 2 }).Load(new() { Folder = folder, Trainable = trainable, Lora = new() });
}
