using System.CommandLine;
using System.Globalization;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tool.Data;
using Microsoft.ML.Nlft.Tool.Inspection;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Commands;

/// <summary>nlft doctor: shows what this machine offers and checks that the engine computes correctly on it.</summary>
internal sealed class DoctorCommand : ToolCommand
{
    private readonly JsonArgument _json;

    public DoctorCommand(ToolConsole console)
        : base(console, "doctor", "Shows what this machine offers and checks that the engine computes correctly on it.",
            nameof(ToolOptions.Engine))
    {
        _json = new JsonArgument(console, this);
        AddGeneratedFlags();
    }

    protected override Task<int> RunAsync(ParseResult parsed, ToolOptions options, CancellationToken cancellationToken)
    {
        var facts = new List<(string Key, object? Value)>(); // with --json, the lines' values by name
        var version = LibraryVersion.Full;
        Line("nlft", version, ("version", version));
        Line(".NET", $"{RuntimeInformation.FrameworkDescription}, {RuntimeInformation.RuntimeIdentifier}",
            ("runtime", RuntimeInformation.FrameworkDescription), ("runtimeIdentifier", RuntimeInformation.RuntimeIdentifier));
        Line("system", RuntimeInformation.OSDescription, ("system", RuntimeInformation.OSDescription));
        Line("processors", $"{Environment.ProcessorCount}", ("processors", Environment.ProcessorCount));
        Line("SIMD", $"{SimdWidth()} bits ({SimdNames()}); {Vector<float>.Count} floats in Vector<T>", ("simdBits", SimdWidth()));
        var memory = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        Line("memory", $"{InspectCommand.Size(memory)} available to this process", ("memoryBytes", memory));
        Line("models", string.Create(CultureInfo.InvariantCulture,
            $"weights of up to {memory / 2e9:0.0} billion parameters in 16 bits fit; 'nlft inspect --model FOLDER' shows what else a model needs"));
        var engine = options.Engine.Create(TensorType.F32); // the type in which the self-test's bound holds
        var threads = options.Engine.Threads == 0 ? Environment.ProcessorCount : options.Engine.Threads;
        Line("engine", $"{engine.Name} on {engine.Device}, {threads} threads",
            ("engine", engine.Name), ("device", engine.Device), ("threads", threads));
        var cuda = NvidiaDriver.SupportedCuda();
        Line("GPU engine", GpuAdvice(cuda), ("cuda", cuda?.ToString()));

        var tests = new List<Dictionary<string, object?>>();
        foreach (var type in (TensorType[])[TensorType.F32, TensorType.BF16, TensorType.F16])
        {
            cancellationToken.ThrowIfCancellationRequested();
            var difference = SelfTest.LargestDifference(engine, type);
            var passed = difference <= SelfTest.Tolerance;
            tests.Add(JsonLine.Object(("type", $"{type}"), ("passed", passed), ("difference", difference), ("allowed", SelfTest.Tolerance)));
            Line($"self-test {type}", string.Create(CultureInfo.InvariantCulture,
                $"{(passed ? "passed" : "FAILED")}: log-probabilities differ from plain arithmetic by at most {difference:0.0e+0}, "
                    + $"allowed {SelfTest.Tolerance:0.0e+0}"));
        }
        var sound = tests.All(test => test["passed"] is true);
        if (_json.Given(parsed)) _json.Write([.. facts, ("selfTests", tests), ("passed", sound)]);
        return Task.FromResult(sound ? ExitCode.Success : ExitCode.BadInput);

        void Line(string name, string text, params (string Key, object? Value)[] values)
        {
            facts.AddRange(values);
            if (!_json.Given(parsed)) Console.Out.WriteLine($"{name,-15}{text}");
        }
    }

    /// <summary>Says what --engine torch needs on this machine.</summary>
    internal static string GpuAdvice(Version? cuda)
    {
        var native = OperatingSystem.IsWindows() ? "TorchSharp-cuda-windows" : OperatingSystem.IsLinux() ? "TorchSharp-cuda-linux" : "TorchSharp-cpu";
        return cuda is null ? "no NVIDIA driver; --engine torch runs on the CPU, with the libraries of TorchSharp-cpu beside the tool"
            : $"NVIDIA driver for CUDA up to {cuda}; --engine torch uses it, with the libraries of {native} beside the tool";
    }

    private static int SimdWidth() =>
        Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : Vector128.IsHardwareAccelerated ? 128 : 0;

    private static string SimdNames()
    {
        (string Name, bool Supported)[] sets =
        [
            ("AVX-512F", Avx512F.IsSupported), ("AVX2", Avx2.IsSupported), ("FMA", Fma.IsSupported),
            ("AdvSimd", System.Runtime.Intrinsics.Arm.AdvSimd.IsSupported),
        ];
        return string.Join(", ", sets.Where(set => set.Supported).Select(set => set.Name)) is { Length: > 0 } names ? names : "none";
    }
}
