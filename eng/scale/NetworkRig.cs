using System.Diagnostics;

namespace Microsoft.ML.Nlft.Scale;

/// <summary>
/// Simulates several machines: Linux network namespaces, each with a device of a <see cref="PacketRelay"/> and its own host name. Open MPI starts one
/// process in each.
/// </summary>
internal sealed class NetworkRig : IDisposable
{
    private const string Prefix = "nlft-scale-"; // of the namespaces
    private const string Network = "10.77.0.";

    private readonly int _nodes;
    private readonly PacketRelay _relay;
    private readonly string _agent;

    private NetworkRig(int nodes, string folder)
    {
        (_nodes, _agent) = (nodes, Path.Combine(folder, "agent.sh"));
        Remove();
        _relay = new PacketRelay([.. Enumerable.Range(0, nodes).Select(Device)]);
        for (var node = 0; node < nodes; node++)
        {
            Ip($"netns add {Prefix}{node}");
            Ip($"link set {Device(node)} netns {Prefix}{node}");
            Ip($"-n {Prefix}{node} addr add {Network}{node + 1}/24 dev {Device(node)}");
            Ip($"-n {Prefix}{node} link set {Device(node)} up mtu {Mtu}");
            Ip($"-n {Prefix}{node} link set lo up");
        }
        // Open MPI calls this script instead of ssh, with a host and the words of a command line.
        File.WriteAllText(_agent, $"""
            #!/bin/sh
            host=$1; shift
            node=$(({"$"}{"{"}host##*.{"}"} - 1))
            exec ip netns exec {Prefix}$node unshare --uts sh -c "hostname node$node; $*"

            """);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(_agent, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    /// <summary>The maximum packet size in bytes: jumbo frames, so that the relay is not the bottleneck.</summary>
    public const int Mtu = 9000;

    /// <summary>Sets the link between the machines.</summary>
    public Link Link
    {
        set => _relay.Link = value;
    }

    /// <summary>Creates the machines; returns null with a reason where that is impossible.</summary>
    /// <param name="nodes">The number of machines.</param>
    /// <param name="folder">The folder of the script that replaces ssh.</param>
    /// <param name="reason">Why the result is null; else empty.</param>
    public static NetworkRig? TryCreate(int nodes, string folder, out string reason)
    {
        reason = !OperatingSystem.IsLinux() ? "this is not Linux" : Environment.UserName != "root" ? "it needs root" : !File.Exists("/dev/net/tun")
            ? "there is no /dev/net/tun"
            : Shell.Find("ip") is null ? "there is no program ip (apt install iproute2)" : "";
        if (reason.Length > 0) return null;
        try
        {
            return new NetworkRig(nodes, folder);
        }
        catch (InvalidOperationException e)
        {
            reason = e.Message;
            return null;
        }
    }

    /// <summary>Returns the command that starts a program on some of the machines, one process each.</summary>
    public IReadOnlyList<string> Launch(int processes, IReadOnlyList<string> program)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(processes, _nodes);
        var hosts = string.Join(',', Enumerable.Range(1, processes).Select(node => $"{Network}{node}:1"));
        string[] mpirun =
        [
            "mpirun.openmpi", "-n", $"{processes}", "--host", hosts, "--mca", "plm_rsh_agent", _agent, "--mca", "pml", "ob1", "--mca", "btl",
            "tcp,self",
            "--mca", "btl_tcp_if_include", $"{Network}0/24", "--mca", "oob_tcp_if_include", $"{Network}0/24", "--bind-to", "none", .. program,
        ];
        return ["ip", "netns", "exec", $"{Prefix}0", "unshare", "--uts", "sh", "-c", $"hostname node0; exec {string.Join(' ', mpirun)}"];
    }

    public void Dispose()
    {
        _relay.Dispose();
        Remove();
        File.Delete(_agent);
    }

    private static string Device(int node) => $"nlft{node}";

    private void Remove()
    {
        for (var node = 0; node < _nodes; node++)
            if (File.Exists($"/run/netns/{Prefix}{node}")) Ip($"netns del {Prefix}{node}");
    }

    private static void Ip(string arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("ip", arguments) { RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0) throw new InvalidOperationException($"ip {arguments}: {error.Trim()}");
    }
}
