using System.Runtime.InteropServices;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.TorchSharp;
using static Microsoft.ML.Nlft.TestKit.EngineSteps;
using static Microsoft.ML.Nlft.Tests.Models;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>Native memory, which the garbage collector does not see.</summary>
[TestClass]
[DoNotParallelize]
public class MemoryTests
{
    private const long MiB = 1 << 20;

    // So wide that a leak of one activation per step exceeds the bound by far.
    private static readonly ModelConfiguration Wide = TinyModels.Configuration with
    {
        HiddenSize = 128,
        IntermediateSize = 256,
        HeadCount = 4,
        KeyValueHeadCount = 2,
        HeadSize = 32,
    };

    /// <summary>
    /// Two numbers must not grow: the number of live tensors, exactly; and the bytes allocated with malloc and not freed, except for what the JIT
    /// compiler holds while it recompiles hot methods (8 MiB here, freed later; nothing without tiered compilation). Resident memory does not serve:
    /// glibc keeps freed blocks, 15 to 40 MiB of them here, more if earlier tests have fragmented its heap.
    /// </summary>
    [TestMethod]
    [TestCategory("Slow")]
    [DataRow(false)]
    [DataRow(true)]
    public void Step_ThreeHundredTimes_KeepsMemoryConstant(bool recompute)
    {
        using var folder = TinyModels.Create(1, Wide);
        var engine = Engine(recompute);
        using var model = Load(folder, engine: engine);
        var batch = Batch(120, 60); // one activation [180, 128] is 90 KiB: 300 of them 27 MiB
        Run(60);
        var (alive, before) = (Alive(), CLibrary.AllocatedBytes());
        Run(300);
        Assert.AreEqual(alive, Alive(), "tensors after 300 more steps");
        Assert.IsLessThan(before + 16 * MiB, CLibrary.AllocatedBytes(), "native bytes after 300 more steps");
        var memory = engine.MeasureMemory();
        Assert.IsGreaterThanOrEqualTo(memory.AllocatedBytes, memory.PeakBytes);
        Assert.IsGreaterThan(memory.PeakBytes, memory.TotalBytes);

        void Run(int steps)
        {
            for (var i = 0; i < steps; i++)
            {
                Step(model, batch);
                if (i % 10 == 0) UseEverything(model, batch);
            }
            GC.Collect();
            GC.WaitForPendingFinalizers(); // a few objects of TorchSharp are freed by finalizers only
        }
    }

    [TestMethod]
    [DataRow(TensorType.BF16)]
    [DataRow(TensorType.F32)]
    public void Load_OnTheCpu_HoldsTheModelAndOneMatrixAtMost(TensorType computeType)
    {
        if (!OperatingSystem.IsLinux()) Assert.Inconclusive("Reads /proc.");
        var configuration = TinyModels.Configuration with { HiddenSize = 512, IntermediateSize = 2048, LayerCount = 8, SlidingWindows = new int[8] };
        var path = TinyModels.NewFolder();
        ModelInitializer.Create(path, configuration, seed: 1, TensorType.BF16);
        using var folder = ModelFolder.Open(path);
        var parameters = ModelLayout.Weights(configuration).Sum(weight => Length(weight.Shape));
        var model = parameters * (computeType == TensorType.BF16 ? 2 : 4);
        var matrix = 512L * 2048 * 6; // mapped, copied and widened at the same time at most
        new TorchSharpEngine(new() { Device = "cpu" }).MeasureMemory(); // loads the library itself
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive); // memory of other tests must not be freed during the measurement
        CLibrary.TrimHeap();
        var before = ProcessStatus.ResetPeak();
        var engine = new TorchSharpEngine(new() { Device = "cpu", Threads = 1, ComputeType = computeType });
        using (var loaded = engine.Load(new ModelLoadOptions { Folder = folder }))
        {
            Assert.IsGreaterThan(before + model * 3 / 4, ProcessStatus.Peak(), "The measurement sees the model.");
            Assert.IsLessThan(before + model + 3 * matrix, ProcessStatus.Peak(), $"A model of {model / MiB} MiB.");
        }

        static long Length(long[] shape) => shape.Aggregate(1L, (product, size) => product * size);
    }

    [TestMethod]
    public void Dispose_ModelsAndPasses_FreesEveryTensor()
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
                UseEverything(model, batch);
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

    private static void UseEverything(ICausalLanguageModel model, TokenSequence[] batch)
    {
        Step(model, batch);
        model.Score(batch, hiddenStates: true);
        using var session = model.StartDecoding([batch[0].Tokens, batch[1].Tokens], 2);
        session.Append([1, 2]);
        session.Append([3, -1]);
    }

    private static long Alive() => global::TorchSharp.torch.Tensor.TotalCount;
}

/// <summary>Reads the resident memory of this process from Linux.</summary>
internal static class ProcessStatus
{
    /// <summary>Makes the present resident memory the peak, and returns it in bytes.</summary>
    public static long ResetPeak()
    {
        File.WriteAllText("/proc/self/clear_refs", "5");
        return Peak();
    }

    /// <summary>Returns the peak in bytes.</summary>
    public static long Peak()
    {
        var line = File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmHWM", StringComparison.Ordinal));
        return 1024 * long.Parse(line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1]);
    }
}

/// <summary>Queries the heap of glibc; on other systems, does nothing.</summary>
internal static partial class CLibrary
{
    /// <summary>Returns freed blocks to the system: malloc_trim(3).</summary>
    public static void TrimHeap()
    {
        if (OperatingSystem.IsLinux()) _ = Trim(0);
    }

    /// <summary>Returns the bytes in use, in the heap and in separate mappings: mallinfo2(3).</summary>
    public static long AllocatedBytes()
    {
        GC.Collect(); // tensors that nothing holds any more
        GC.WaitForPendingFinalizers();
        return OperatingSystem.IsLinux() && Information() is var now ? now.InUse + now.Mapped : 0;
    }

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
