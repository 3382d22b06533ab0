using System.Globalization;

namespace Microsoft.ML.Nlft.Study;

/// <summary>
/// Measures the peak resident memory of this process: the kernel's value on Linux, elsewhere the maximum of the samples.
/// </summary>
internal sealed class PeakMemory
{
    private long _seen;

    /// <summary>Starts the measurement.</summary>
    public PeakMemory()
    {
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive); // returns what earlier runs left to the system
        if (OperatingSystem.IsLinux()) File.WriteAllText("/proc/self/clear_refs", "5"); // resets the peak to the current value
    }

    /// <summary>Takes a sample.</summary>
    public void Sample() => _seen = Math.Max(_seen, Environment.WorkingSet);

    /// <summary>Returns the peak in MiB.</summary>
    public double Megabytes()
    {
        Sample();
        if (!OperatingSystem.IsLinux()) return _seen / 1048576.0;
        var line = File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmHWM:", StringComparison.Ordinal));
        return double.Parse(line["VmHWM:".Length..^"kB".Length], CultureInfo.InvariantCulture) / 1024;
    }
}
