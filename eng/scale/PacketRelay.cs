using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;

namespace Microsoft.ML.Nlft.Scale;

/// <summary>
/// Relays packets between TUN devices, one per node, at the rate and latency of a link. It replaces the kernel's netem, which some kernels lack. The
/// rate limits what each node sends; no packet is lost.
/// </summary>
internal sealed unsafe partial class PacketRelay : IDisposable
{
    private const int ReadWrite = 2, LargestPacket = 65536;
    private const nuint SetInterface = 0x400454ca; // TUNSETIFF
    private const short TunWithoutHeader = 0x1001; // IFF_TUN | IFF_NO_PI

    private readonly int[] _devices;
    private readonly BlockingCollection<(long Due, int To, byte[] Packet)>[] _pending;
    private volatile Link _link = Link.OneMachine;
    private volatile bool _stopped;

    /// <summary>Creates the devices and starts the relay.</summary>
    /// <param name="names">Device names, one per node; node i receives the packets for addresses that end with i + 1.</param>
    /// <exception cref="InvalidOperationException">The system provides no such device.</exception>
    public PacketRelay(IReadOnlyList<string> names)
    {
        _devices = [.. names.Select(name => OpenDevice(name))];
        _pending = [.. names.Select(_ => new BlockingCollection<(long, int, byte[])>())];
        for (var node = 0; node < _devices.Length; node++)
        {
            var place = node;
            new Thread(() => Read(place)) { IsBackground = true, Name = $"relay from {node}" }.Start();
            new Thread(() => Deliver(place)) { IsBackground = true, Name = $"relay to {node}" }.Start();
        }
    }

    /// <summary>Gets or sets the link of the following packets.</summary>
    public Link Link
    {
        get => _link;
        set => _link = value;
    }

    public void Dispose()
    {
        _stopped = true;
        foreach (var queue in _pending) queue.CompleteAdding();
        foreach (var device in _devices) Close(device);
    }

    private static int OpenDevice(string name)
    {
        var device = Open("/dev/net/tun", ReadWrite);
        if (device < 0) throw new InvalidOperationException($"/dev/net/tun cannot be opened (error {Marshal.GetLastPInvokeError()})");
        Span<byte> request = stackalloc byte[40]; // struct ifreq: a name of 16 bytes, then the flags
        Encoding.ASCII.GetBytes(name, request);
        BitConverter.TryWriteBytes(request[16..], TunWithoutHeader);
        fixed (byte* pointer = request)
        {
            if (Control(device, SetInterface, pointer) < 0)
                throw new InvalidOperationException($"no TUN device {name} (error {Marshal.GetLastPInvokeError()})");
        }
        return device;
    }

    /// <summary>Reads the packets of a node and computes their departure times, one after another.</summary>
    private void Read(int node)
    {
        var buffer = new byte[LargestPacket];
        var left = 0L; // departure time of the previous packet
        while (!_stopped)
        {
            int length;
            fixed (byte* pointer = buffer) length = (int)Read(_devices[node], pointer, LargestPacket);
            if (length <= 0) return;
            if (length < 20 || buffer[0] >> 4 != 4) continue; // IPv4 only
            var to = buffer[19] - 1; // the last byte of the destination address
            if (to < 0 || to >= _devices.Length) continue;
            var link = _link;
            left = Math.Max(left, Stopwatch.GetTimestamp()) + Ticks(length / link.BytesPerSecond);
            try
            {
                _pending[node].Add((left + Ticks(link.Latency), to, buffer.AsSpan(0, length).ToArray()));
            }
            catch (InvalidOperationException)
            {
                return; // the end
            }
        }
    }

    /// <summary>Delivers the packets of a node when they are due.</summary>
    private void Deliver(int node)
    {
        long* time = stackalloc long[2]; // seconds, nanoseconds
        foreach (var (due, to, packet) in _pending[node].GetConsumingEnumerable())
        {
            while (due - Stopwatch.GetTimestamp() is > 0 and var rest)
            {
                (time[0], time[1]) = (rest / Stopwatch.Frequency, rest % Stopwatch.Frequency * 1_000_000_000 / Stopwatch.Frequency);
                Sleep(time, null);
            }
            fixed (byte* pointer = packet) Write(_devices[to], pointer, (nuint)packet.Length);
        }
    }

    private static long Ticks(double seconds) => (long)(seconds * Stopwatch.Frequency);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Control(int device, nuint request, byte* argument);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    private static partial nint Read(int device, byte* bytes, nuint count);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint Write(int device, byte* bytes, nuint count);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int device);

    [LibraryImport("libc", EntryPoint = "nanosleep")]
    private static partial int Sleep(long* time, long* rest);
}
