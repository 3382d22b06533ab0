using BenchmarkDotNet.Attributes;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Benchmarks;

/// <summary>The arithmetic of the objectives on one response, which must take far less time than the forward pass.</summary>
[MemoryDiagnoser]
public class ObjectiveBenchmarks
{
    /// <summary>The hidden size of SmolLM2-135M.</summary>
    private const int HiddenSize = 576;

    private readonly NaturalLanguageObjective _naturalLanguage = new();
    private readonly LikelihoodObjective _likelihood = new();
    private ExampleScores _wrong = null!;
    private ExampleScores _right = null!;

    /// <summary>Number of response tokens.</summary>
    [Params(128, 1024)]
    public int Tokens { get; set; }

    [GlobalSetup]
    public void SetUp()
    {
        var random = new Random(42);
        _wrong = Scores(Polarity.Incorrect, random) with { Judge = LogProbabilities(random) };
        _right = Scores(Polarity.Correct, random);
    }

    [Benchmark(Baseline = true)]
    public double Likelihood() => _likelihood.Evaluate(_right).Loss;

    [Benchmark]
    public double NaturalLanguageRight() => _naturalLanguage.Evaluate(_right).Loss;

    [Benchmark]
    public double NaturalLanguageWrong() => _naturalLanguage.Evaluate(_wrong).Loss;

    private ExampleScores Scores(Polarity polarity, Random random)
    {
        var hidden = new float[Tokens * HiddenSize];
        for (var i = 0; i < hidden.Length; i++) hidden[i] = random.NextSingle() - 0.5f;
        return new ExampleScores
        {
            Polarity = polarity,
            Base = LogProbabilities(random),
            Standard = LogProbabilities(random),
            HiddenStates = hidden,
        };
    }

    /// <summary>Log-probabilities of which most are near 0: the logarithm of a skewed uniform number.</summary>
    private double[] LogProbabilities(Random random)
    {
        var values = new double[Tokens];
        for (var i = 0; i < values.Length; i++) values[i] = Math.Log(Math.Pow(1 - random.NextDouble(), 0.25));
        return values;
    }
}
