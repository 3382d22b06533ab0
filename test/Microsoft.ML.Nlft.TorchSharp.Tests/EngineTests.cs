using System.Runtime.InteropServices;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.TorchSharp;
using Microsoft.ML.Nlft.TorchSharp.Runtime;
using static Microsoft.ML.Nlft.Tests.Models;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>Choosing a device, and every refusal with its message.</summary>
[TestClass]
public class EngineTests
{
    public static IEnumerable<object[]> BadOptions =>
    [
        [new TorchSharpEngineOptions { Device = "gpu" }, "option Device: found \"gpu\"; expected cpu, cuda or cuda:N. Leave it out to take the "
            + "first GPU, or the CPU where there is none."],
        [new TorchSharpEngineOptions { Device = "cuda:-1" }, "option Device: found \"cuda:-1\"; expected cpu, cuda or cuda:N. Leave it out to take "
            + "the first GPU, or the CPU where there is none."],
        [new TorchSharpEngineOptions { GpuDeviceId = -2 }, "option GpuDeviceId: found -2; expected 0 or more. Use 0 for the first GPU."],
        [new TorchSharpEngineOptions { Device = "cpu",
            GpuDeviceId = 0 }, "option GpuDeviceId: found 0; expected nothing beside Device = \"cpu\". Give one of the two."],
        [new TorchSharpEngineOptions { ComputeType =
            TensorType.F16 }, "option ComputeType: found F16; expected BF16 or F32. Leave it out for BF16 on a GPU and F32 on the CPU."],
        [new TorchSharpEngineOptions { Threads = -1 }, "option Threads: found -1; expected 0 (libtorch's choice) or more. Leave it out."],
    ];

    [TestMethod]
    [DynamicData(nameof(BadOptions))]
    public void BadOption_IsRefusedWithItsMessage(TorchSharpEngineOptions options, string message) =>
        Assert.AreEqual(message, Assert.ThrowsExactly<NlftException>(() => new TorchSharpEngine(options)).Message);

    [TestMethod]
    public void Device_WithoutGpu_FallsBackToTheCpu_OnlyWhereThatIsAllowed()
    {
        if (global::TorchSharp.torch.cuda.is_available()) Assert.Inconclusive("There is a GPU.");
        Assert.AreEqual("cpu", new TorchSharpEngine().Device);
        Assert.AreEqual("cpu", new TorchSharpEngine(new() { GpuDeviceId = 1 }).Device);
        Assert.AreEqual(TensorType.F32, new TorchSharpEngine().ComputeType);
        foreach (var (options, subject, remedy) in ((TorchSharpEngineOptions, string, string)[])
                 [
                     (new() { Device = "cuda" }, "device cuda:0", "Or set Device to \"cpu\"."),
                     (new() { Device = "cuda:2" }, "device cuda:2", "Or set Device to \"cpu\"."),
                     (new() { GpuDeviceId = 1, FallbackToCpu = false }, "device cuda:1", "Or allow FallbackToCpu."),
                     (new() { FallbackToCpu = false }, "device cuda:0", "Or allow FallbackToCpu."),
                 ])
        {
            var exception = Assert.ThrowsExactly<NlftException>(() => new TorchSharpEngine(options).Device);
            Assert.AreEqual(subject, exception.Subject);
            StringAssert.StartsWith(exception.Found, "no usable GPU (no CUDA build of libtorch beside the program, ");
            StringAssert.StartsWith(
                exception.Remedy, "Add the package TorchSharp-cuda-linux or TorchSharp-cuda-windows (0.107.0) in place of TorchSharp-cpu.");
            StringAssert.EndsWith(exception.Remedy, remedy);
        }
    }

    [TestMethod]
    public void OnGpu_TakesTheHostsChoice_UnlessTheOptionsMadeOne()
    {
        IModelEngine open = new TorchSharpEngine(new() { ComputeType = TensorType.BF16 }), fixed_ = new TorchSharpEngine(new() { Device = "cpu" });
        var chosen = (TorchSharpEngine)open.OnGpu(3, fallbackToCpu: false);
        Assert.AreEqual(new TorchSharpEngineOptions { ComputeType = TensorType.BF16, GpuDeviceId = 3, FallbackToCpu = false }, chosen.Options);
        Assert.AreSame(fixed_, fixed_.OnGpu(3, fallbackToCpu: true));
        Assert.AreSame(chosen, chosen.OnGpu(0, fallbackToCpu: true));
        Assert.IsFalse(((TorchSharpEngine)((IModelEngine)new TorchSharpEngine(new() { FallbackToCpu = false }))
            .OnGpu(0, true)).Options.FallbackToCpu);
        Assert.AreEqual("option GpuDeviceId: found -1; expected 0 or more. Use 0 for the first GPU.",
            Assert.ThrowsExactly<NlftException>(() => open.OnGpu(-1, true)).Message);
    }

    [TestMethod]
    public void ForProcess_TakesTheGpusInTurn_UnlessTheOptionsMadeAChoice()
    {
        CollectionAssert.AreEqual((int[])[0, 1, 2, 0, 1], Enumerable.Range(0, 5).Select(rank => DeviceChoice.GpuOf(rank, devices: 3)).ToArray());
        Assert.AreEqual(0, DeviceChoice.GpuOf(2, devices: 0), "without a GPU, the first one is missed");
        foreach (var options in (TorchSharpEngineOptions[])[new() { Device = "cpu" }, new() { GpuDeviceId = 1 }])
        {
            var engine = new TorchSharpEngine(options);
            Assert.AreSame(engine, engine.ForProcess(1));
        }
        var open = new TorchSharpEngine(new() { ComputeType = TensorType.F32 });
        var own = (TorchSharpEngine)open.ForProcess(1);
        Assert.AreNotSame(open, own);
        Assert.AreEqual(open.Options, own.Options);
        if (!global::TorchSharp.torch.cuda.is_available()) Assert.AreEqual("cpu", own.Device);
    }

    public static IEnumerable<object?[]> Obstacles =>
    [
        [true, 2, 1, "/app", new Version(12, 8), null, null],
        [true, 2, 2, "/app", new Version(12, 8), "2 GPUs", "Use a device from cuda:0 to cuda:1."],
        [false, 0, 0, null, null, "no usable GPU (no CUDA build of libtorch beside the program, no NVIDIA driver)",
            "Add the package TorchSharp-cuda-linux or TorchSharp-cuda-windows (0.107.0) in place of TorchSharp-cpu."],
        [false, 0, 0, "/app",
            null, "no usable GPU (the CUDA build of libtorch in /app, no NVIDIA driver)", "Install NVIDIA's driver, or run where there is a GPU."],
        [false, 0, 0, "/app",
            new Version(12,
            2), "no usable GPU (the CUDA build of libtorch in /app, an NVIDIA driver for CUDA up to 12.2)", "Update NVIDIA's driver."],
    ];

    [TestMethod]
    [DynamicData(nameof(Obstacles))]
    public void Obstacle_SaysWhatWasTriedAndWhatToDo(bool works, int devices, int index, string? folder, Version? driver, string? found,
        string? remedy)
    {
        var obstacle = DeviceChoice.Obstacle(works, devices, index, folder, driver);
        Assert.AreEqual(found, obstacle?.Found);
        Assert.AreEqual(remedy, obstacle?.Remedy);
    }

    [TestMethod]
    public void OutOfMemory_IsExplained()
    {
        var exception = Assert.ThrowsExactly<NlftException>(() => TorchErrors.Explain<int>("cuda:0", () =>
            throw new ExternalException("CUDA out of memory. Tried to allocate 2.00 GiB.\nException raised from malloc")));
        Assert.AreEqual("device cuda:0: found not enough memory (CUDA out of memory. Tried to allocate 2.00 GiB.); expected room for the model and "
            + "the batch. "
            + "Use smaller batches or shorter sequences, or set RecomputeActivations, Int8Weights or Int4Weights of TorchSharpEngineOptions.",
            exception.Message);
        Assert.ThrowsExactly<ExternalException>(() => TorchErrors.Explain<int>("cuda:0", () => throw new ExternalException("another fault")));
    }

    [TestMethod]
    [DataRow(8)]
    [DataRow(4)]
    public void WeightsOfFewBits_WithAllWeightsTrained_AreRefused(int bits)
    {
        using var folder = TinyModels.Create();
        var exception = Assert.ThrowsExactly<NlftException>(() => Load(folder, TrainableWeights.All, Engine(bits: bits)));
        Assert.AreEqual($"option Int{bits}Weights: found true; expected false when all weights are trained. Train a LoRA adapter, or leave "
            + $"Int{bits}Weights out.", exception.Message);
    }

    [TestMethod]
    public void WeightsOfFewBits_OfTwoKinds_AreRefused() =>
        Assert.AreEqual("option Int4Weights: found True; expected false with Int8Weights. Set one of the two.",
            Assert.ThrowsExactly<NlftException>(() => new TorchSharpEngine(new() { Int8Weights = true, Int4Weights = true })).Message);
}
