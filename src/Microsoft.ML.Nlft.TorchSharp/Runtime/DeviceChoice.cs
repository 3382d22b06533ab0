using System.Globalization;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TorchSharp.Runtime;

/// <summary>Selects the device that the options ask for, or explains why it cannot be used and which package to add.</summary>
internal static class DeviceChoice
{
    /// <summary>Rejects the first option that is out of range, without loading the native library.</summary>
    public static void Validate(TorchSharpEngineOptions options)
    {
        OptionCheck.Require(options.Device is null || Parse(options.Device) is not null, nameof(options.Device), options.Device,
            "cpu, cuda or cuda:N", "Leave it out to take the first GPU, or the CPU where there is none.");
        OptionCheck.Require(options.GpuDeviceId is not < 0, nameof(options.GpuDeviceId), options.GpuDeviceId,
            "0 or more", "Use 0 for the first GPU.");
        OptionCheck.Require(options.Device is null || options.GpuDeviceId is null, nameof(options.GpuDeviceId), options.GpuDeviceId,
            $"nothing beside Device = \"{options.Device}\"", "Give one of the two.");
        OptionCheck.Require(options.ComputeType is null or TensorType.BF16 or TensorType.F32, nameof(options.ComputeType), options.ComputeType,
            "BF16 or F32", "Leave it out for BF16 on a GPU and F32 on the CPU.");
        OptionCheck.Require(!(options.Int8Weights && options.Int4Weights), nameof(options.Int4Weights), true,
            "false with Int8Weights", "Set one of the two.");
        OptionCheck.Require(options.Threads >= 0, nameof(options.Threads), options.Threads, "0 (libtorch's choice) or more", "Leave it out.");
    }

    /// <summary>Loads the native library and selects the device.</summary>
    /// <exception cref="NlftException">The native library does not load, or the device cannot be used.</exception>
    public static Device Make(TorchSharpEngineOptions options, int rankOnHost = 0)
    {
        LibTorch.Load();
        if (options.Threads > 0) set_num_threads(options.Threads);
        var wanted = options.Device is { } name ? Parse(name)! : new DeviceName(IsCuda: true, options.GpuDeviceId ?? GpuOf(rankOnHost));
        if (!wanted.IsCuda) return new Device(DeviceType.CPU);
        var obstacle = CudaObstacle(wanted.Index);
        if (obstacle is null) return InitializeDevice(new Device(DeviceType.CUDA, wanted.Index));
        if (options.Device is null && options.FallbackToCpu) return new Device(DeviceType.CPU);
        throw new NlftException($"device cuda:{wanted.Index}", obstacle.Value.Found, obstacle.Value.Expected, obstacle.Value.Remedy
            + (options.Device is null ? " Or allow FallbackToCpu." : " Or set Device to \"cpu\"."));
    }

    /// <summary>Returns the number of the GPU of a process: the processes take them in turn.</summary>
    internal static int GpuOf(int rankOnHost, int? devices = null) => (devices ?? Devices()) is var count && count > 0 ? rankOnHost % count : 0;

    private static int Devices()
    {
        try
        {
            return cuda.is_available() ? cuda.device_count() : 0;
        }
        catch (Exception exception) when (exception is TypeInitializationException or NotSupportedException or DllNotFoundException)
        {
            return 0;
        }
    }

    private static (string Found, string Expected, string Remedy)? CudaObstacle(int index)
    {
        var devices = Devices();
        return Obstacle(devices > 0, devices, index, LibTorch.FolderOf(LibTorch.CudaFile), CudaDriver.SupportedVersion());
    }

    /// <summary>
    /// Returns why a GPU cannot be used, or null if it can. Checks the index of the device, the CUDA build of libtorch and the driver, in that order.
    /// </summary>
    internal static (string Found, string Expected, string Remedy)? Obstacle(
        bool works, int devices, int index, string? libraryFolder, Version? driver)
    {
        if (works && index < devices) return null;
        if (works) return ($"{devices} GPUs", $"at least {index + 1}", $"Use a device from cuda:0 to cuda:{devices - 1}.");
        var library = libraryFolder is null ? "no CUDA build of libtorch beside the program" : $"the CUDA build of libtorch in {libraryFolder}";
        var driverText = driver is null ? "no NVIDIA driver" : $"an NVIDIA driver for CUDA up to {driver}";
        var version = LibTorch.ManagedVersion;
        return ($"no usable GPU ({library}, {driverText})",
            $"TorchSharp {version} with its CUDA package, and a GPU whose driver supports that package's CUDA version",
            libraryFolder is null ? $"Add the package TorchSharp-cuda-linux or TorchSharp-cuda-windows ({version}) in place of TorchSharp-cpu."
            : driver is null ? "Install NVIDIA's driver, or run where there is a GPU."
            : "Update NVIDIA's driver.");
    }

    private static DeviceName? Parse(string name) => name switch
    {
        "cpu" => new(IsCuda: false, 0),
        "cuda" => new(IsCuda: true, 0),
        _ when name.StartsWith("cuda:", StringComparison.Ordinal)
            && int.TryParse(name.AsSpan(5), NumberStyles.None, CultureInfo.InvariantCulture, out var index) => new(IsCuda: true, index),
        _ => null,
    };

    private sealed record DeviceName(bool IsCuda, int Index);
}
