using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Saliency;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Training;

/// <summary>The loop, the objectives and the managed engine together, on a random model of a few thousand weights.</summary>
[TestClass]
public class ManagedEngineTrainingTests
{
    private static readonly FineTuneOptions Options = new() { Epochs = 3, BatchSize = 4, LearningRate = 5e-3 };

    private static readonly LoraConfiguration Lora = new() { Rank = 4, Alpha = 8, Dropout = 0.1 };

    private static readonly NaturalLanguageObjective WithJudgeLikelihood = new(new() { JudgeLikelihood = true });

    private static EncodedExample[] Examples() =>
    [
        .. Enumerable.Range(0, 7).Select(i =>
        {
            int[] response = [.. Enumerable.Range(0, 3 + i % 4).Select(t => (7 * i + 3 * t) % 31)];
            return new EncodedExample(i % 3 == 0 ? Polarity.Correct : Polarity.Incorrect, response, [1, 2, i], i % 3 == 0 ? [] : [1, 3, 4, i],
                [5, i, 6], $"row {i + 1}");
        }),
    ];

    private static ICausalLanguageModel Load(ModelFolder folder, TrainableWeights trainable = TrainableWeights.Lora, int threads = 1) =>
        new ManagedEngine(threads).Load(new ModelLoadOptions
        {
            Folder = folder,
            Trainable = trainable,
            Lora = trainable == TrainableWeights.Lora ? Lora : null,
        });

    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public void Run_MicroBatchesWithDropout_EqualOneBatch(int microBatch)
    {
        using var folder = TinyModels.Create();
        using var whole = Load(folder);
        using var split = Load(folder);
        var expected = new TrainingRun(whole, Examples(), WithJudgeLikelihood, Options).Run();
        var actual = new TrainingRun(split, Examples(), WithJudgeLikelihood, Options with { MicroBatchSize = microBatch }).Run();
        Assert.HasCount(6, actual.Steps);
        foreach (var (a, b) in expected.Steps.Zip(actual.Steps))
        {
            Assert.AreEqual(a.Loss, b.Loss, 1e-5 * a.Loss, $"loss of step {a.Step}");
            Assert.AreEqual(a.GradientNorm, b.GradientNorm, 1e-4 * a.GradientNorm, $"gradient norm of step {a.Step}");
        }
    }

    [TestMethod]
    public void Run_MicroBatches_AddUpToTheSameGradient()
    {
        using var folder = TinyModels.Create();
        var gradients = new[] { 0, 1, 2, 3 }.Select(microBatch =>
        {
            using var model = Load(folder);
            var spy = new GradientSpy(model);
            // Two windows, of 4 and 3 rows. The first step of a warm-up has rate 0, so both are seen from the same weights.
            new TrainingRun(spy, Examples(), WithJudgeLikelihood, Options with { Epochs = 1, WarmupRatio = 0.5, MicroBatchSize = microBatch }).Run();
            return spy.Gradients;
        }).ToArray();
        Assert.HasCount(2, gradients[0]);
        for (var window = 0; window < 2; window++)
        {
            var whole = gradients[0][window];
            var largest = whole.Max(Math.Abs);
            Assert.IsGreaterThan(0, largest);
            foreach (var split in gradients[1..])
            {
                for (var i = 0; i < whole.Length; i++) Assert.AreEqual(whole[i], split[window][i], 1e-6 * largest);
            }
        }
    }

    [TestMethod]
    public void Run_OneAndTwoThreads_GiveTheSameLossesToTheBit()
    {
        using var folder = TinyModels.Create();
        var losses = new[] { 1, 2 }.Select(threads =>
        {
            using var model = Load(folder, threads: threads);
            return new TrainingRun(model, Examples(), new NaturalLanguageObjective(), Options).Run().Steps.Select(step => step.Loss).ToArray();
        }).ToArray();
        CollectionAssert.AreEqual(losses[0], losses[1]);
    }

    [TestMethod]
    [DataRow(TrainableWeights.Lora, 0.97)] // the small, tied embedding that LoRA leaves alone bounds every logit
    [DataRow(TrainableWeights.All, 0.5)]
    public void Run_Likelihood_LowersTheLoss(TrainableWeights trainable, double share)
    {
        using var folder = TinyModels.Create();
        using var model = Load(folder, trainable);
        var result = new TrainingRun(model, Examples(), new LikelihoodObjective(), Options with { Epochs = 30, BatchSize = 7, LearningRate = 2e-2 })
            .Run();
        Assert.IsLessThan(share * result.Steps[0].Loss, result.Steps[^1].Loss);
    }

    [TestMethod]
    public void Run_Cancelled_LeavesTheWeightsOfTheLastStepAndNoGradient()
    {
        using var folder = TinyModels.Create();
        using var model = Load(folder);
        using var source = new CancellationTokenSource();
        float[] weights = [];
        var spy = new GradientSpy(model) { OnForward = call => { if (call == 4) source.Cancel(); } }; // second micro-batch of step 2
        var result = new TrainingRun(spy, Examples(), new NaturalLanguageObjective(),
            Options with { MicroBatchSize = 2, ReturnPartialOnCancel = true, WarmupRatio = 0 })
            .Run(new Listener(_ => weights = Flat(model, ModelState.Weights)), source.Token);
        Assert.IsTrue(result.Cancelled);
        Assert.HasCount(1, result.Steps);
        CollectionAssert.AreEqual(weights, Flat(model, ModelState.Weights));
        Assert.IsTrue(Flat(model, ModelState.Gradients).All(g => g == 0));
    }

    [TestMethod]
    public void Analyze_WithoutDropout_ShowsWhatTrainingSees()
    {
        using var folder = TinyModels.Create();
        using var model = new ManagedEngine(1).Load(new ModelLoadOptions
        {
            Folder = folder,
            Trainable = TrainableWeights.Lora,
            Lora = Lora with { Dropout = 0 },
        });
        var examples = Examples()[..4];
        var saliency = new SaliencyAnalyzer(model, new NaturalLanguageObjective()).Analyze(examples);
        var step = new TrainingRun(model, examples, new NaturalLanguageObjective(), Options with { Epochs = 1 }).Run().Steps[0];
        Assert.AreEqual(saliency.Average(row => row.Loss), step.Loss, 1e-5 * step.Loss);
        Assert.AreEqual(saliency.Sum(row => row.Saliency.Count(t => t.Role == TokenRole.Salient)) / (double)saliency.Sum(row => row.Tokens.Length),
            step.SalientShare, 1e-12);
    }

    private static float[] Flat(ICausalLanguageModel model, ModelState state) => [.. model.Export(state).SelectMany(tensor => tensor.Values)];

    /// <summary>Passes everything on and notes the gradient of every step.</summary>
    private sealed class GradientSpy(ICausalLanguageModel model) : PassingModel(model)
    {
        private int _forwards;

        public Action<int>? OnForward { get; init; }

        public List<float[]> Gradients { get; } = [];

        public override IForwardPass Forward(IReadOnlyList<TokenSequence> batch, bool hiddenStates = false,
            CancellationToken cancellationToken = default)
        {
            OnForward?.Invoke(++_forwards);
            return base.Forward(batch, hiddenStates, cancellationToken);
        }

        public override double ApplyGradients(AdamWOptions options, double learningRate)
        {
            Gradients.Add(Flat(this, ModelState.Gradients));
            return base.ApplyGradients(options, learningRate);
        }
    }
}
