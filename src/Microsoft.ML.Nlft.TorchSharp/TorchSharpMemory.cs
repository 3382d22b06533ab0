using System.Diagnostics;
using Microsoft.ML.Nlft.TorchSharp.Runtime;

namespace Microsoft.ML.Nlft.TorchSharp;

/// <summary>
/// Reports the memory of a device. TorchSharp does not expose libtorch's statistics, so these are the driver's and the operating system's numbers.
/// On a GPU they include other processes; libtorch keeps the memory it allocated for reuse, so the value after a training step is the peak of that
/// step. On the CPU they are the process's resident memory.
/// </summary>
/// <param name="AllocatedBytes">Bytes in use now.</param>
/// <param name="PeakBytes">Most bytes in use at any time (CPU), or after any optimizer step so far and now (GPU).</param>
/// <param name="TotalBytes">All bytes of the device.</param>
public sealed record TorchSharpMemory(long AllocatedBytes, long PeakBytes, long TotalBytes)
{
    /// <summary>
    /// Returns the most bytes that this process may use on a device: all bytes of a GPU, null if its driver does not report them; on the CPU all
    /// bytes of the machine or container. libtorch allocates outside the heap of .NET, so a limit of that heap, in a container three quarters of
    /// its memory, does not bind it.
    /// </summary>
    internal static long? Available(Device device)
    {
        if (device.type == DeviceType.CUDA) return CudaDriver.TotalMemory(device.index);
        var memory = GC.GetGCMemoryInfo(); // the threshold is a share of the machine's or container's memory, whatever limits the heap
        return Math.Max(memory.TotalAvailableMemoryBytes, memory.HighMemoryLoadThresholdBytes);
    }

    internal static TorchSharpMemory Measure(Device device)
    {
        if (device.type == DeviceType.CUDA) return CudaDriver.Memory(device.index);
        using var process = Process.GetCurrentProcess();
        return new(process.WorkingSet64, process.PeakWorkingSet64, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
    }
}
