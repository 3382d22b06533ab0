using System.Globalization;

namespace Microsoft.ML.Nlft.Study;

/// <summary>The peak of this process's resident memory over a stretch of work: the kernel's own on Linux, elsewhere the largest of the looks taken.</summary>
internal sealed class PeakMemory
{
    private long _seen;

    /// <summary>Begins to measure.</summary>
    public PeakMemory()
    {
        GC.Collect();
        if (OperatingSystem.IsLinux()) File.WriteAllText("/proc/self/clear_refs", "5"); // sets the peak to what is resident now
    }

    /// <summary>Looks.</summary>
    public void Look() => _seen = Math.Max(_seen, Environment.WorkingSet);

    /// <summary>The peak in MiB.</summary>
    public double Megabytes()
    {
        Look();
        if (!OperatingSystem.IsLinux()) return _seen / 1048576.0;
        var line = File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmHWM:", StringComparison.Ordinal));
        return double.Parse(line["VmHWM:".Length..^"kB".Length], CultureInfo.InvariantCulture) / 1024;
    }
}
