using System.Diagnostics;
using Microsoft.ML.Nlft.TorchSharp.Runtime;

namespace Microsoft.ML.Nlft.TorchSharp;

/// <summary>
/// Reports the memory of a device. TorchSharp does not expose libtorch's statistics, so these are the driver's and the operating system's numbers.
/// On a GPU they include other processes; libtorch keeps the memory it allocated for reuse, so the value after a training step is the peak of that
/// step. On the CPU they are the process's resident memory.
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
