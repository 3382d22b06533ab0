using System.Diagnostics;
using System.Globalization;

namespace Microsoft.ML.Nlft.Distributed;

/// <summary>Describes where a process of a <see cref="Communicator"/> runs.</summary>
/// <param name="Rank">The rank, from 0.</param>
/// <param name="Host">The name of the machine.</param>
/// <param name="ProcessId">The process id on that machine.</param>
public sealed record RankPlace(int Rank, string Host, int ProcessId)
{
    /// <summary>Identifies processes that can see each other: the same boot of the same machine and the same PID namespace.</summary>
    internal string ProcessNamespace { get; init; } = "";

    /// <summary>The processors that the process may run on, in the system's notation; empty where the system does not report them.</summary>
    internal string Processors { get; init; } = "";

    /// <summary>The start time in the system's notation; it distinguishes processes that reuse an id.</summary>
    internal string StartTime { get; init; } = "";

    /// <summary>Returns the text for messages, such as "rank 1 (process 4711 on host node3)".</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"rank {Rank} (process {ProcessId} on host {Host})");

    /// <summary>Describes this process.</summary>
    internal static RankPlace OfThisProcess(int rank) => new(rank, Environment.MachineName, Environment.ProcessId)
    {
        ProcessNamespace = OperatingSystem.IsLinux()
            ? $"{Line("/proc/sys/kernel/random/boot_id", "")} {Environment.MachineName} {new FileInfo("/proc/self/ns/pid").LinkTarget}"
            : Environment.MachineName,
        StartTime = StartTimeOf(Environment.ProcessId) ?? "",
        Processors = OperatingSystem.IsLinux() ? Line("/proc/self/status", "Cpus_allowed_list:") : "",
    };

    /// <summary>Returns whether the process still runs; valid only within the same <see cref="ProcessNamespace"/>.</summary>
    internal bool IsAlive() => StartTimeOf(ProcessId) == StartTime;

    /// <summary>Returns the rest of the first line that has a prefix; empty when there is none.</summary>
    private static string Line(string file, string beginning)
    {
        try
        {
            return File.ReadLines(file).FirstOrDefault(line => line.StartsWith(beginning, StringComparison.Ordinal))?[beginning.Length..].Trim()
                ?? "";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    /// <summary>Returns the start time of a process; null when there is no such process, or it is a zombie.</summary>
    private static string? StartTimeOf(int process)
    {
        try
        {
            if (!OperatingSystem.IsLinux())
                return Process.GetProcessById(process).StartTime.ToUniversalTime().Ticks.ToString(CultureInfo.InvariantCulture);
            // proc(5): after the name in brackets, which may contain anything, come the state and, as the 20th field from there, the start time.
            var fields = File.ReadAllText($"/proc/{process}/stat") is var stat ? stat[(stat.LastIndexOf(')') + 2)..].Split(' ') : [];
            return fields[0] is "Z" or "X" ? null : fields[19];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or InvalidOperationException
            or System.Runtime.InteropServices.ExternalException)
        {
            return null;
        }
    }
}
