using System.Runtime.InteropServices;

namespace Microsoft.ML.Nlft.TorchSharp.Runtime;

/// <summary>Loads the native library of TorchSharp, which comes in separate packages, and explains why it does not load.</summary>
internal static class LibTorch
{
    /// <summary>A file that only the CUDA builds contain.</summary>
    public static string CudaFile => OperatingSystem.IsWindows() ? "torch_cuda.dll" : "libtorch_cuda.so";

    /// <summary>The version that the native packages must have.</summary>
    public static string ManagedVersion => typeof(torch).Assembly.GetName().Version!.ToString(3);

    /// <summary>The version of libtorch that this version of TorchSharp was built for.</summary>
    public const string LibraryVersion = "2.10.0";

    /// <summary>What to do on Windows, where the native library does not fit the libtorch that it is published with.</summary>
    internal static string WindowsRemedy => $"TorchSharp {ManagedVersion} does not load on Windows (dotnet/TorchSharp#1567): use a later version of "
        + "TorchSharp and of its packages, Linux, the Windows Subsystem for Linux, or the managed engine.";

    private const string WaitPolicy = "OMP_WAIT_POLICY";

    private static string CpuFile => FileName("torch_cpu");
    private static string BridgeFile => FileName("LibTorchSharp");

    /// <summary>Loads the library.</summary>
    /// <exception cref="NlftException">The library is missing or does not load.</exception>
    public static void Load()
    {
        WaitPassively();
        if (IsBesideProgram && !TryLoad()) throw Missing(FolderOf(CpuFile), FolderOf(BridgeFile), LoadError(), new DllNotFoundException(BridgeFile));
        try
        {
            InitializeDeviceType(DeviceType.CPU);
            using var _ = empty(1);
        }
        catch (Exception exception) when (exception is TypeInitializationException or NotSupportedException or DllNotFoundException
            or EntryPointNotFoundException or BadImageFormatException)
        {
            throw Missing(FolderOf(CpuFile), FolderOf(BridgeFile), LoadError(), exception);
        }
    }

    /// <summary>Whether TorchSharp.dll lies in the program's folder, as in a program that is built, and not in NuGet's, as in a notebook.</summary>
    private static bool IsBesideProgram =>
        Path.GetDirectoryName(typeof(torch).Assembly.Location) == Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory);

    /// <summary>
    /// Loads the library as TorchSharp does first. If that fails, TorchSharp copies packages from NuGet's folder into the program's, which is of use
    /// in a notebook only, and prints pages of what it tried to the standard output.
    /// </summary>
    private static bool TryLoad()
    {
        NativeLibrary.TryLoad("torch_cpu", typeof(torch).Assembly, null, out _);
        return Bridge() || (FolderOf(BridgeFile) is { } folder && OlderStandardLibrary.TryLoad(Path.Combine(folder, BridgeFile)) && Bridge());

        static bool Bridge() => NativeLibrary.TryLoad("LibTorchSharp", typeof(torch).Assembly, null, out _);
    }

    /// <summary>
    /// Lets the threads of libtorch sleep while they wait, unless OMP_WAIT_POLICY says otherwise: on cores that are shared, threads that spin take
    /// the time of those that work. The library of OpenMP reads the variable when it loads, from the environment of C, which .NET only copies.
    /// </summary>
    private static void WaitPassively()
    {
        if (OperatingSystem.IsLinux() && Environment.GetEnvironmentVariable(WaitPolicy) is null) _ = SetVariable(WaitPolicy, "passive", overwrite: 0);
    }

    [DllImport("libc", EntryPoint = "setenv", CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    private static extern int SetVariable(string name, string value, int overwrite);

    /// <summary>Returns the first folder in the runtime's search path of native libraries that contains a file; null if none does.</summary>
    public static string? FolderOf(string file)
    {
        var searchPath = AppContext.GetData("NATIVE_DLL_SEARCH_DIRECTORIES") as string ?? "";
        return searchPath.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries).Append(AppContext.BaseDirectory)
            .FirstOrDefault(folder => File.Exists(Path.Combine(folder, file)));
    }

    /// <summary>Returns the exception for a native library that is missing or does not load.</summary>
    /// <param name="folder">The folder of libtorch; null if it was not found.</param>
    /// <param name="bridgeFolder">The folder of the library between TorchSharp and libtorch; null if it was not found.</param>
    /// <param name="loadError">The error of the system's loader for the library between TorchSharp and libtorch.</param>
    /// <param name="exception">The exception of TorchSharp.</param>
    internal static NlftException Missing(string? folder, string? bridgeFolder, string? loadError, Exception exception) => folder is null
        ? new NlftException("TorchSharp", $"no libtorch in {AppContext.BaseDirectory} and the folders of the program's packages",
            "the native library from a separate package",
            $"Add one package to the program, version {ManagedVersion}: TorchSharp-cuda-linux or TorchSharp-cuda-windows for an NVIDIA GPU, "
            + $"TorchSharp-cpu for the CPU.{(bridgeFolder is null ? "" : $" For a program that is built, as nlft is, copy the files of "
                + $"runtimes/{RuntimeInformation.RuntimeIdentifier}/native of the package libtorch-cpu-{RuntimeInformation.RuntimeIdentifier} "
                + $"{LibraryVersion} to {Path.TrimEndingDirectorySeparator(bridgeFolder)}.")}",
            exception)
        : new NlftException("TorchSharp", $"libtorch in {folder} that does not load ({loadError ?? FirstLine(exception.GetBaseException().Message)})",
            $"the build for this system and TorchSharp {ManagedVersion}, and the system libraries it was built with",
            OperatingSystem.IsWindows() ? WindowsRemedy
                : loadError?.Contains("GLIBCXX", StringComparison.Ordinal) == true
                ? "Use a system whose libstdc++ is GCC 13's or newer, for example Debian 13 or Ubuntu 24.04."
                : $"Use TorchSharp-cpu, TorchSharp-cuda-linux or TorchSharp-cuda-windows of version {ManagedVersion}, whichever fits this system.",
            exception);

    /// <summary>Returns the line of the loader's report that names the cause; null if the bridge is missing or loads.</summary>
    private static string? LoadError()
    {
        if (FolderOf(BridgeFile) is not { } folder) return null;
        try
        {
            NativeLibrary.Load(Path.Combine(folder, BridgeFile));
            return null;
        }
        catch (Exception exception) when (exception is DllNotFoundException or BadImageFormatException)
        {
            var lines = exception.Message.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            return lines.FirstOrDefault(line => line.Contains("not found", StringComparison.Ordinal)) ?? lines[^1];
        }
    }

    private static string FileName(string name) =>
        OperatingSystem.IsWindows() ? $"{name}.dll" : OperatingSystem.IsMacOS() ? $"lib{name}.dylib" : $"lib{name}.so";

    private static string FirstLine(string text) => text.Split('\n', 2)[0].Trim();
}
