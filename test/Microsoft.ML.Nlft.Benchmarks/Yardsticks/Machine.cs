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

    /// <summary>Whether the processor has AVX-512, even if .NET was told not to use it.</summary>
    public static bool HasAvx512 => Field("flags")?.Split(' ').Contains("avx512f") ?? Vector512.IsHardwareAccelerated;

    private static string Processor() => Field("model name") ?? RuntimeInformation.ProcessArchitecture.ToString();

    /// <summary>What Linux says of the first processor; null elsewhere.</summary>
    private static string? Field(string key)
    {
        const string Path = "/proc/cpuinfo";
        var line = File.Exists(Path) ? File.ReadLines(Path).FirstOrDefault(text => text.StartsWith(key, StringComparison.Ordinal)) : null;
        return line?[(line.IndexOf(':') + 1)..].Trim();
    }
}
