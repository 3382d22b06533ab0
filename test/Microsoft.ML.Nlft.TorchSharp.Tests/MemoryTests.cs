using Microsoft.ML.Nlft.Models;
using Microsoft.ML.Nlft.Tests.Engines;
using Microsoft.ML.Nlft.TorchSharp;
using static Microsoft.ML.Nlft.Tests.Models;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>Native memory, which no garbage collector sees.</summary>
[TestClass]
[DoNotParallelize]
public class MemoryTests
{
    private const long MiB = 1 << 20;

    // wide enough that what one forgotten activation per step adds up to is far above the noise
    private static readonly ModelConfiguration Wide = TinyModels.Configuration with { HiddenSize = 128, IntermediateSize = 256, HeadCount = 4, KeyValueHeadCount = 2, HeadSize = 32 };

    // Known to fail now and then: growth of 17 to 43 MiB over 300 steps was seen where 16 are allowed, and its cause is not found.
    [Ignore("resident memory grows by more than the bound on some runs; the cause is not found")]
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Steps_300OfThem_KeepMemoryFlat(bool recompute)
    {
        using var folder = TinyModels.Create(1, Wide);
        var engine = Engine(recompute);
        using var model = Load(folder, engine: engine);
        var batch = Batch(120, 60); // one activation [180, 128] is 90 KiB: 300 of them 27 MiB
        Run(60);
        var before = Measure();
        Run(300);
        var after = Measure();
        Assert.IsLessThan(before.AllocatedBytes + 16 * MiB, after.AllocatedBytes, "resident memory after 300 more steps");
        Assert.IsGreaterThanOrEqualTo(after.AllocatedBytes, after.PeakBytes);
        Assert.IsGreaterThan(after.PeakBytes, after.TotalBytes);

        TorchSharpMemory Measure()
        {
            GC.Collect(); // what is resident includes the managed heap
            GC.WaitForPendingFinalizers();
            return engine.MeasureMemory();
        }

        void Run(int steps)
        {
            for (var i = 0; i < steps; i++)
            {
                Step(model, batch);
                if (i % 10 == 0) Everything(model, batch);
            }
        }
    }

    [TestMethod]
    public void Dispose_FreesEveryTensor_AndSoDoesAPassThatWasNeverDifferentiated()
    {
        using var folder = TinyModels.Create();
        Use(folder);
        var before = Alive();
        for (var i = 0; i < 5; i++) Use(folder);
        Assert.AreEqual(before, Alive());

        static void Use(ModelFolder folder)
        {
            foreach (var trainable in (TrainableWeights[])[TrainableWeights.Lora, TrainableWeights.All])
            {
                using var model = Load(folder, trainable);
                var batch = Batch(12, 7);
                Everything(model, batch);
                model.Forward(batch).Dispose();
                try
                {
                    model.Forward(batch, cancellationToken: new CancellationToken(true)).Dispose();
                }
                catch (OperationCanceledException)
                {
                }
            }
        }
    }

    private static void Everything(ICausalLanguageModel model, TokenSequence[] batch)
    {
        Step(model, batch);
        model.Score(batch, hiddenStates: true);
        using var session = model.StartDecoding([batch[0].Tokens, batch[1].Tokens], 2);
        session.Append([1, 2]);
        session.Append([3, -1]);
    }

    private static long Alive() => global::TorchSharp.torch.Tensor.TotalCount;
}
