using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.OnPolicy;

namespace Microsoft.ML.Nlft.Tests.OnPolicy;

[TestClass]
public sealed class ReinforcedRunTests
{
    private static readonly DataRow[] s_rows = [.. Enumerable.Range(0, 5).Select(i => new DataRow
    {
        Question = $"{i}+2?", Answer = $"It is {i + 2}. #### {i + 2}", Source = $"row {i}",
    })];

    private readonly TemporaryFolder _folder = new();
    private readonly ByteModelFolder _model = new();

    private static ReinforcedOptions Options => new()
    {
        WarmUp = new() { Epochs = 1, BatchSize = 4, LearningRate = 1e-3 }, Epochs = 2, BatchSize = 2, LearningRate = 1e-3,
        Generation = new() { Temperature = 1, MaximumNewTokens = 8 }, SaveEvery = 2,
    };

    [TestCleanup]
    public void Clean()
    {
        _folder.Dispose();
        _model.Dispose();
    }

    private LocalModel Load(TrainableWeights trainable = TrainableWeights.Lora) => LocalModel.Load(_model.Path, new() { Trainable = trainable });

    private static float[] State(LocalModel model) =>
        [.. model.Network.Export(ModelState.Weights).Concat(model.Network.Export(ModelState.Optimizer)).SelectMany(tensor => tensor.Values)];

    /// <summary>Rewards responses with many letters e, which a few steps teach even a model of random weights.</summary>
    private sealed class LetterReward : IResponseReward
    {
        public string Name => "letters";

        public double Of(DataRow row) => row.Response!.Count(letter => letter is >= 'a' and <= 'z') / 8.0;
    }

    [TestMethod]
    public void Run_ManyBatches_EarnMore()
    {
        using var model = Load(TrainableWeights.All); // the embedding of a random model decides what an adapter can move
        var result = new ReinforcedRun(model, s_rows, Options with
        {
            WarmUp = null, Epochs = 60, BatchSize = 5, LearningRate = 1e-2, KlCoefficient = 0,
        }, reward: new LetterReward()).Run();
        Assert.HasCount(60, result.Batches);
        var (first, last) = (result.Batches.Take(10).Average(batch => batch.Reward), result.Batches.TakeLast(10).Average(batch => batch.Reward));
        Assert.IsGreaterThan(first + 0.2, last, "random bytes are letters one time in ten");
        Assert.IsGreaterThan(0, result.Batches[^1].Divergence, "the model has moved from its reference");
    }

    /// <summary>The penalty holds the model near its reference.</summary>
    [TestMethod]
    public void Run_LargePenalty_StaysNearTheReference()
    {
        double Divergence(double penalty)
        {
            using var model = Load(TrainableWeights.All);
            return new ReinforcedRun(model, s_rows, Options with
            {
                WarmUp = null, Epochs = 30, BatchSize = 5, LearningRate = 1e-2, KlCoefficient = penalty,
            }, reward: new LetterReward()).Run().Batches.TakeLast(5).Average(batch => batch.Divergence);
        }
        Assert.IsLessThan(0.5 * Divergence(0), Divergence(1));
    }

    [TestMethod]
    public void Run_StoppedAnywhere_ResumesToTheSameEnd()
    {
        float[] expected;
        ReinforcedResult whole;
        using (var model = Load())
        {
            whole = new ReinforcedRun(model, s_rows, Options, s_rows[..3]).Run();
            expected = State(model);
        }
        Assert.HasCount(6, whole.Batches);
        CollectionAssert.AreEqual(new[] { false, false, true, false, false, true },
            whole.Batches.Select(batch => batch.HeldOutRight is not null).ToArray(), "after every epoch");
        for (var stop = 1; stop < 6; stop++)
        {
            var options = Options with { Folder = Path.Combine(_folder.Path, $"{stop}") };
            using (var model = Load())
            {
                Assert.ThrowsExactly<InvalidOperationException>(() => new ReinforcedRun(model, s_rows, options, s_rows[..3]).Run(new Stopping(stop)));
            }
            using var resumed = Load();
            var seen = new Stopping(int.MaxValue);
            var result = new ReinforcedRun(resumed, s_rows, options, s_rows[..3]).Run(seen);
            Assert.AreEqual(6 - (stop / 2 * 2), seen.Reports, "It resumes from the last state written.");
            CollectionAssert.AreEqual(expected, State(resumed), $"stopped after batch {stop}");
            CollectionAssert.AreEqual(whole.Batches.ToArray(), result.Batches.ToArray());
            Assert.AreEqual(whole.HeldOutRight, result.HeldOutRight);
        }
    }

    /// <summary>Held-out questions are asked as the others are: with their instruction, which is part of what the run depends on.</summary>
    [TestMethod]
    public void Run_HeldOutRowWithAnInstruction_IsAskedWithIt()
    {
        using var model = Load(TrainableWeights.All);
        var row = new DataRow { Question = "1?", Instruction = "Add 6.", Response = "7", Answer = "7", Source = "held-out row" };
        model.FineTune([row.ToExample(), (row with { Instruction = null, Response = "8", Answer = "8" }).ToExample()], new LikelihoodObjective(),
            new() { Epochs = 60, BatchSize = 2, LearningRate = 1e-2 });
        var options = Options with { WarmUp = null, Epochs = 1, LearningRate = 1e-12, Folder = Path.Combine(_folder.Path, "run") };
        Assert.AreEqual(1, new ReinforcedRun(model, s_rows, options, [row]).Run().HeldOutRight);
        var refused = Assert.ThrowsExactly<NlftException>(() => new ReinforcedRun(model, s_rows, options, [row with { Instruction = null }]).Run());
        StringAssert.Contains(refused.Message, "Held-out rows");
    }

    [TestMethod]
    public void Run_MicroBatches_GiveTheSameWeightsUpToRounding()
    {
        float[] Train(int size)
        {
            using var model = Load();
            new ReinforcedRun(model, s_rows, Options with { BatchSize = 5, Epochs = 1, MicroBatchSize = size }).Run();
            return [.. model.Network.Export(ModelState.Weights).SelectMany(tensor => tensor.Values)];
        }
        var (whole, split) = (Train(0), Train(2));
        for (var i = 0; i < whole.Length; i++) Assert.AreEqual(whole[i], split[i], 1e-4);
    }

    [TestMethod]
    public void Run_FolderOfAnotherRun_NamesWhatDiffers()
    {
        using var model = Load();
        var options = Options with { Epochs = 1, Folder = Path.Combine(_folder.Path, "run") };
        new ReinforcedRun(model, s_rows, options).Run();
        var refused = Assert.ThrowsExactly<NlftException>(() => new ReinforcedRun(model, s_rows, options with { Clip = 0.3 }).Run());
        StringAssert.Contains(refused.Message, "Clip 0.2 there, 0.3 here");
        var file = Path.Combine(options.Folder!, "reinforced.safetensors");
        var bytes = File.ReadAllBytes(file);
        bytes[^1] ^= 1;
        File.WriteAllBytes(file, bytes);
        refused = Assert.ThrowsExactly<NlftException>(() => new ReinforcedRun(model, s_rows, options).Run());
        StringAssert.Contains(refused.Message, "The file is damaged.");
    }

    /// <summary>The derivative of the value loss by a weight of the head, and a step of AdamW.</summary>
    [TestMethod]
    public void ValueHead_FitsALinearTarget()
    {
        var random = new Random(3);
        float[] hidden = [.. Enumerable.Range(0, 40 * 6).Select(_ => random.NextSingle() - 0.5f)];
        double[] target = [.. Enumerable.Range(0, 40).Select(t => 0.3 + 2 * hidden[6 * t] - hidden[6 * t + 4])];
        var head = new ValueHead(6);
        for (var step = 0; step < 3000; step++)
        {
            var values = head.Values(hidden);
            for (var t = 0; t < 40; t++) head.Add(hidden.AsSpan(6 * t, 6), (values[t] - target[t]) / 40);
            head.Step(new AdamWOptions(), 1e-2);
        }
        var found = head.Values(hidden);
        for (var t = 0; t < 40; t++) Assert.AreEqual(target[t], found[t], 1e-3);
        var copy = new ValueHead(6);
        copy.Import(head.Export("value_head"));
        CollectionAssert.AreEqual(found, copy.Values(hidden));
        StringAssert.StartsWith(Assert.ThrowsExactly<NlftException>(() => new ValueHead(5).Import(head.Export("value_head"))).Message,
            "tensor value_head: found 22 values; expected 19 of type F64.");
    }

    [TestMethod]
    [DataRow(0.1, 0.4)]
    [DataRow(-0.7, 0.4)]
    [DataRow(0.3, -1.2)]
    [DataRow(-0.3, -1.2)]
    [DataRow(0.0, 2.0)]
    public void ClippedLoss_IsDifferentiatedAsFiniteDifferencesSay(double shift, double advantage)
    {
        const double step = 1e-6;
        double Policy(double logP) => ClippedLoss.Policy(logP, -1.3, advantage, 0.2).Loss;
        Assert.AreEqual(-(Policy(-1.3 + shift + step) - Policy(-1.3 + shift - step)) / (2 * step),
            ClippedLoss.Policy(-1.3 + shift, -1.3, advantage, 0.2).Coefficient, 1e-6);
        double Value(double v) => ClippedLoss.Value(v, 0.5, advantage, 0.2).Loss;
        Assert.AreEqual((Value(0.5 + shift + step) - Value(0.5 + shift - step)) / (2 * step),
            ClippedLoss.Value(0.5 + shift, 0.5, advantage, 0.2).Slope, 1e-6);
    }

    public static IEnumerable<object[]> BadOptions =>
    [
        [Options with { Epochs = 0 }, "option Epochs: found 0; expected 1 or more."],
        [Options with { MicroBatchSize = 3 }, "option MicroBatchSize: found 3; expected at most BatchSize, 2."],
        [Options with { Clip = 1 }, "option Clip: found 1; expected a finite number in (0, 1)."],
        [Options with { LearningRate = 0 }, "option LearningRate: found 0; expected a finite number above 0."],
        [Options with { Lambda = 1.5 }, "option Lambda: found 1.5; expected a finite number in [0, 1]."],
        [Options with { Generation = new() }, "option Generation.Temperature: found 0; expected 1, without filters and penalties."],
        [Options with { Generation = new() { Temperature = 1, TopP = 0.9 } }, "option Generation.Temperature: found 1; expected 1, without filters"],
    ];

    [TestMethod]
    [DynamicData(nameof(BadOptions))]
    public void Create_OptionOutOfRange_NamesIt(object options, string message)
    {
        using var model = Load();
        StringAssert.StartsWith(
            Assert.ThrowsExactly<NlftException>(() => new ReinforcedRun(model, s_rows, (ReinforcedOptions)options)).Message, message);
    }

    [TestMethod]
    [DataRow("#### 5", 1.0)]
    [DataRow("It is 7.", 0.1)]
    [DataRow("I do not know.", 0.0)]
    public void FinalNumberReward_IsThePublishedOne(string response, double expected) =>
        Assert.AreEqual(expected, new FinalNumberReward().Of(new DataRow { Question = "2+3?", Answer = "5", Response = response }));

    private sealed class Stopping(int after) : IProgress<ReinforcedProgress>
    {
        public int Reports { get; private set; }

        public void Report(ReinforcedProgress value)
        {
            if (++Reports == after) throw new InvalidOperationException("stop");
        }
    }
}
