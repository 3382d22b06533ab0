using System.Diagnostics;
using Microsoft.ML.Nlft.TorchSharp.Runtime;

namespace Microsoft.ML.Nlft.TorchSharp;

/// <summary>
/// Memory of a device. libtorch has a statistic of its own, but TorchSharp does not pass it on, so these are the driver's and the operating
/// system's numbers. On a GPU they count everything on it, other processes too; libtorch keeps what it once took for reuse, so that what is
/// allocated after a training step is the highest of that step. On the CPU they are the process's resident memory.
/// </summary>
/// <param name="AllocatedBytes">Bytes in use now.</param>
/// <param name="PeakBytes">Most bytes in use at any time (CPU), or at the end of any pass so far (GPU).</param>
/// <param name="TotalBytes">All bytes of the device.</param>
public sealed record TorchSharpMemory(long AllocatedBytes, long PeakBytes, long TotalBytes)
{
    internal static TorchSharpMemory Measure(Device device)
    {
        if (device.type == DeviceType.CUDA) return CudaDriver.Memory(device.index);
        using var process = Process.GetCurrentProcess();
        return new(process.WorkingSet64, process.PeakWorkingSet64, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
    }
}
