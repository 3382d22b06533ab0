using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Export;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.TestKit;

namespace Microsoft.ML.Nlft.LlamaCpp;

/// <summary>Models as folders, and the GGUF files that the library writes of them.</summary>
internal static class WrittenModel
{
    /// <summary>The model of the samples: trained, with byte-pair tokens and a chat template.</summary>
    public static string Sample { get; } = Path.Combine(Fixtures.RepositoryRoot(), "samples", "models", "tiny-word-problems");

    /// <summary>A question in the words that the sample model was trained on.</summary>
    public const string Question = "Lena has 17 marbles and Tom has twice as many. How many marbles do they have together?";

    /// <summary>Opens the real model, a GGUF file of type Q4_1 among the shared test data; skips the test without it.</summary>
    public static ModelFolder OpenSmolLm2()
    {
        var file = Fixtures.Path_("models", "smollm2-135m-instruct", "SmolLM2-135M-Instruct.Q4_1.gguf");
        if (!File.Exists(file)) Assert.Inconclusive($"{file} is not there");
        return ModelFolder.Open(file);
    }

    /// <summary>
    /// Creates a model of random weights, large enough that tokens differ in likelihood and small enough that rounding does not grow from layer to
    /// layer, with a tokenizer whose texts do not matter.
    /// </summary>
    public static ModelFolder Generate(ModelConfiguration configuration)
    {
        var factor = MathF.Sqrt(3072f / configuration.HiddenSize); // 8 for a width of 48
        using var fresh = TinyModels.Create(3, configuration);
        var random = new Random(4);
        using var spread = TinyModels.Rewrite(fresh, TensorType.F32, (_, values, columns) =>
            Array.ConvertAll(values, value => columns == values.Length ? value + random.NextSingle() - 0.5f : value * factor));
        return ModelFolder.Open(TinyModels.WithTokenizer(spread.Path));
    }

    /// <summary>Tokens of a generated model, which has 101.</summary>
    public static int[] Tokens(int count) => [.. Enumerable.Range(0, count).Select(i => i * 37 % 100 + 1)];

    /// <summary>Writes a model as GGUF and returns the path.</summary>
    public static string Write(ModelFolder model, GgufType type, LoraAdapter? adapter = null)
    {
        var path = Path.Combine(TinyModels.NewFolder(), $"{type}.gguf");
        GgufExport.Write(model, adapter, path, new() { Type = type });
        return path;
    }

    /// <summary>Writes an adapter as GGUF and returns the path.</summary>
    public static string WriteAdapter(ModelFolder model, LoraAdapter adapter)
    {
        var path = Path.Combine(TinyModels.NewFolder(), "adapter.gguf");
        GgufExport.WriteAdapter(adapter, model, path);
        return path;
    }

    /// <summary>A LoRA adapter of random factors for all linear layers.</summary>
    public static LoraAdapter RandomAdapter(ModelConfiguration model, LoraConfiguration? configuration = null)
    {
        var fresh = LoraAdapter.Create(configuration ?? new() { Rank = 4, Alpha = 6, TargetPattern = LoraConfiguration.AllLinear }, model, seed: 5);
        var random = new Random(6);
        return new(fresh.Configuration, [.. fresh.Factors.Select(factor => factor.Name.EndsWith('B')
            ? factor with { Values = Array.ConvertAll(factor.Values, _ => (float)(random.NextDouble() - 0.5) * 0.3f) } : factor)]);
    }

    /// <summary>What the managed engine computes for a sequence.</summary>
    public static double[] Score(string folder, TokenSequence sequence, LoraAdapter? adapter = null)
    {
        using var model = LocalModel.Load(folder, new() { Adapter = adapter });
        return Array.ConvertAll(model.Network.Score([sequence])[0].LogProbabilities, value => (double)value);
    }

    /// <summary>The root mean square of the distances between two lists of log-probabilities.</summary>
    public static double Distance(IEnumerable<double> expected, IReadOnlyList<double> found)
    {
        double[] distances = [.. expected.Zip(found, (a, b) => a - b)];
        Assert.HasCount(distances.Length, found);
        return Math.Sqrt(distances.Average(distance => distance * distance));
    }
}
