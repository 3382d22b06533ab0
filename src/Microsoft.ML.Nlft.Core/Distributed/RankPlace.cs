using System.Diagnostics;
using System.Globalization;

namespace Microsoft.ML.Nlft.Distributed;

/// <summary>Where one of the processes of a <see cref="Communicator"/> runs.</summary>
/// <param name="Rank">Its number, from 0.</param>
/// <param name="Host">The name of its machine.</param>
/// <param name="ProcessId">Its process id there.</param>
public sealed record RankPlace(int Rank, string Host, int ProcessId)
{
    /// <summary>What the processes that can see each other share: the same boot of the same machine and the same numbering of processes.</summary>
    internal string Neighbourhood { get; init; } = "";

    /// <summary>The processors that it may run on, as its system names them; empty where it does not say.</summary>
    internal string Processors { get; init; } = "";

    /// <summary>When the process began, as its system counts: another process with the same id began at another time.</summary>
    internal string Began { get; init; } = "";

    /// <summary>"rank 1 (process 4711 on host node3)", as messages name it.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"rank {Rank} (process {ProcessId} on host {Host})");

    /// <summary>This process.</summary>
    internal static RankPlace OfThisProcess(int rank) => new(rank, Environment.MachineName, Environment.ProcessId)
    {
        Neighbourhood = OperatingSystem.IsLinux() ? $"{Line("/proc/sys/kernel/random/boot_id", "")} {Environment.MachineName} {new FileInfo("/proc/self/ns/pid").LinkTarget}" : Environment.MachineName,
        Began = Start(Environment.ProcessId) ?? "",
        Processors = OperatingSystem.IsLinux() ? Line("/proc/self/status", "Cpus_allowed_list:") : "",
    };

    /// <summary>Whether the process still runs; only to be asked of a place in the same <see cref="Neighbourhood"/>.</summary>
    internal bool IsAlive() => Start(ProcessId) == Began;

    /// <summary>The rest of the first line of a file that begins so; empty: there is none.</summary>
    private static string Line(string file, string beginning)
    {
        try
        {
            return File.ReadLines(file).FirstOrDefault(line => line.StartsWith(beginning, StringComparison.Ordinal))?[beginning.Length..].Trim() ?? "";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    /// <summary>When a process began; null: there is none of that id, or only its shell that nobody has cleared away yet.</summary>
    private static string? Start(int process)
    {
        try
        {
            if (!OperatingSystem.IsLinux()) return Process.GetProcessById(process).StartTime.ToUniversalTime().Ticks.ToString(CultureInfo.InvariantCulture);
            // proc(5): after the name in brackets, which may hold anything, come the state and, as the 20th field from there, the start time.
            var fields = File.ReadAllText($"/proc/{process}/stat") is var stat ? stat[(stat.LastIndexOf(')') + 2)..].Split(' ') : [];
            return fields[0] is "Z" or "X" ? null : fields[19];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or InvalidOperationException or System.Runtime.InteropServices.ExternalException)
        {
            return null;
        }
    }
}
