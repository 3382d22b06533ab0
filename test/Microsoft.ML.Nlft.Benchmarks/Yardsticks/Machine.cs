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
        const string Information = "/proc/cpuinfo", Key = "model name";
        if (!File.Exists(Information)) return RuntimeInformation.ProcessArchitecture.ToString();
        var line = File.ReadLines(Information).FirstOrDefault(text => text.StartsWith(Key, StringComparison.Ordinal));
        return line?[(line.IndexOf(':') + 1)..].Trim() ?? RuntimeInformation.ProcessArchitecture.ToString();
    }
}
