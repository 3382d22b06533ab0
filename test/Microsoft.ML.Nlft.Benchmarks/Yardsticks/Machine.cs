using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Microsoft.ML.Nlft.Benchmarks.Yardsticks;

/// <summary>Describes the machine that a measurement ran on.</summary>
internal static class Machine
{
    /// <summary>The folder of the shared test data.</summary>
    public static string SharedData => Environment.GetEnvironmentVariable("NLFT_FIXTURES") ?? Path.Combine("..", "shared");

    public static string Description(int threads)
    {
        var simd = Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : 128;
        return $"{Processor()}, {Environment.ProcessorCount} logical processors, {threads} threads used, SIMD {simd} bits, "
            + $"{RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}";
    }

    private static string Processor()
    {
        const string Path = "/proc/cpuinfo", Key = "model name";
        var line = File.Exists(Path) ? File.ReadLines(Path).FirstOrDefault(text => text.StartsWith(Key, StringComparison.Ordinal)) : null;
        return line?[(line.IndexOf(':') + 1)..].Trim() ?? RuntimeInformation.ProcessArchitecture.ToString();
    }
}
