using System.Runtime.InteropServices;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.TorchSharp;
using static Microsoft.ML.Nlft.TestKit.EngineSteps;
using static Microsoft.ML.Nlft.Tests.Models;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>Native memory, which no garbage collector sees.</summary>
[TestClass]
[DoNotParallelize]
public class MemoryTests
{
    private const long MiB = 1 << 20;

    // wide enough that what one forgotten activation per step adds up to is far above the bound
    private static readonly ModelConfiguration Wide = TinyModels.Configuration with { HiddenSize = 128, IntermediateSize = 256, HeadCount = 4, KeyValueHeadCount = 2, HeadSize = 32 };

    /// <summary>
    /// Two numbers must not grow: the tensors alive, exactly; and the bytes that malloc has given out and not got back, within what the JIT compiler
    /// holds while it compiles hot methods again (8 MiB here, returned later; without tiered compilation nothing moves at all). Resident memory
    /// does not serve: glibc keeps freed blocks, 15 to 40 MiB of them here, more the more the tests before have fragmented its heap.
    /// </summary>
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
        var (alive, before) = (Alive(), CLibrary.BytesGivenOut());
        Run(300);
        Assert.AreEqual(alive, Alive(), "tensors after 300 more steps");
        Assert.IsLessThan(before + 16 * MiB, CLibrary.BytesGivenOut(), "native bytes after 300 more steps");
        var memory = engine.MeasureMemory();
        Assert.IsGreaterThanOrEqualTo(memory.AllocatedBytes, memory.PeakBytes);
        Assert.IsGreaterThan(memory.PeakBytes, memory.TotalBytes);

        void Run(int steps)
        {
            for (var i = 0; i < steps; i++)
            {
                Step(model, batch);
                if (i % 10 == 0) Everything(model, batch);
            }
            GC.Collect();
            GC.WaitForPendingFinalizers(); // the few objects of TorchSharp's that only finalizers free
        }
    }

    [TestMethod]
    [DataRow(TensorType.BF16)]
    [DataRow(TensorType.F32)]
    public void Load_OnTheCpu_HoldsTheModelOnceAndOneMatrixAtATime(TensorType computeType)
    {
        if (!OperatingSystem.IsLinux()) Assert.Inconclusive("Reads /proc.");
        var configuration = TinyModels.Configuration with { HiddenSize = 512, IntermediateSize = 2048, LayerCount = 8, SlidingWindows = new int[8] };
        var path = TinyModels.NewFolder();
        ModelInitializer.Create(path, configuration, seed: 1, TensorType.BF16);
        using var folder = ModelFolder.Open(path);
        var parameters = ModelLayout.Weights(configuration).Sum(weight => Length(weight.Shape));
        var (model, matrix) = (parameters * (computeType == TensorType.BF16 ? 2 : 4), 512L * 2048 * 6); // a matrix: as mapped, as copied and as widened at most
        new TorchSharpEngine(new() { Device = "cpu" }).MeasureMemory(); // the library itself
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive); // what other tests left is not to be given back while this one measures
        CLibrary.GiveBackFreedBlocks();
        File.WriteAllText("/proc/self/clear_refs", "5"); // the peak begins anew
        var before = Peak();
        using (var loaded = new TorchSharpEngine(new() { Device = "cpu", Threads = 1, ComputeType = computeType }).Load(new ModelLoadOptions { Folder = folder }))
        {
            Assert.IsGreaterThan(before + model * 3 / 4, Peak(), "The measurement sees the model.");
            Assert.IsLessThan(before + model + 3 * matrix, Peak(), $"A model of {model / MiB} MiB.");
        }

        static long Length(long[] shape) => shape.Aggregate(1L, (product, size) => product * size);

        static long Peak() => 1024 * long.Parse(File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmHWM", StringComparison.Ordinal)).Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1]);
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

/// <summary>What glibc tells of its heap; elsewhere nothing.</summary>
internal static partial class CLibrary
{
    /// <summary>malloc_trim(3): freed blocks go back to the system.</summary>
    public static void GiveBackFreedBlocks()
    {
        if (OperatingSystem.IsLinux()) _ = Trim(0);
    }

    /// <summary>mallinfo2(3): bytes in use, in the heap and in mappings of their own.</summary>
    public static long BytesGivenOut() => OperatingSystem.IsLinux() && Information() is var now ? now.InUse + now.Mapped : 0;

    [LibraryImport("libc.so.6", EntryPoint = "malloc_trim")]
    private static partial int Trim(nuint keep);

    [LibraryImport("libc.so.6", EntryPoint = "mallinfo2")]
    private static partial HeapInformation Information();

    [StructLayout(LayoutKind.Explicit, Size = 80)]
    private struct HeapInformation
    {
        [FieldOffset(32)] public nint Mapped; // hblkhd
        [FieldOffset(56)] public nint InUse; // uordblks
    }
}
