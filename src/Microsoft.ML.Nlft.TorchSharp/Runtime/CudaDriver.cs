using System.Collections.Concurrent;
using System.Runtime.InteropServices;

namespace Microsoft.ML.Nlft.TorchSharp.Runtime;

/// <summary>Queries NVIDIA's driver library for what TorchSharp does not expose: the supported CUDA version and the memory in use.</summary>
internal static unsafe class CudaDriver
{
    private static readonly Lazy<nint> Library = new(() =>
        NativeLibrary.TryLoad(OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1", out var handle) ? handle : 0);

    /// <summary>The most bytes found in use so far, by device.</summary>
    private static readonly ConcurrentDictionary<int, long> Peaks = new();

    /// <summary>Returns the newest CUDA version that the installed driver supports, for example 12.8; null without a driver.</summary>
    public static Version? SupportedVersion()
    {
        var address = Find("cuDriverGetVersion");
        if (address == 0) return null;
        int version;
        return ((delegate* unmanaged<int*, int>)address)(&version) == 0 ? new Version(version / 1000, version % 1000 / 10) : null;
    }

    /// <summary>
    /// Returns the memory of the device whose context is current on this thread, the one that libtorch last used here; zeros if the driver does not
    /// report it.
    /// </summary>
    public static TorchSharpMemory Memory(int device)
    {
        nuint free = 0, total = 0;
        var address = Find("cuMemGetInfo_v2");
        if (address != 0) _ = ((delegate* unmanaged<nuint*, nuint*, int>)address)(&free, &total);
        var used = (long)(total - free);
        return new(used, Peaks.AddOrUpdate(device, used, (_, peak) => Math.Max(peak, used)), (long)total);
    }

    /// <summary>
    /// Returns all bytes of a device, which needs no context on this thread; null if the driver does not report them, for example before libtorch
    /// has initialized it.
    /// </summary>
    public static long? TotalMemory(int index)
    {
        int device;
        nuint total;
        var (get, measure) = (Find("cuDeviceGet"), Find("cuDeviceTotalMem_v2"));
        return get != 0 && measure != 0 && ((delegate* unmanaged<int*, int, int>)get)(&device, index) == 0
            && ((delegate* unmanaged<nuint*, int, int>)measure)(&total, device) == 0 ? (long)total : null;
    }

    private static nint Find(string function) =>
        Library.Value != 0 && NativeLibrary.TryGetExport(Library.Value, function, out var address) ? address : 0;
}
