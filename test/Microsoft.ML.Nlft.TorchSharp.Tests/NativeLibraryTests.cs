using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.ML.Nlft.TorchSharp.Runtime;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>The messages for a native library that is missing or does not load.</summary>
[TestClass]
public class NativeLibraryTests
{
    private const string Program = "Microsoft.ML.Nlft.Gpu";

    [TestMethod]
    public void Load_MissingNativeLibrary_NamesThePackageToAdd()
    {
        // Only the managed files of a program, in a separate folder and with an empty package cache.
        var folder = Directory.CreateTempSubdirectory("nlft-bare-");
        try
        {
            var runtimeConfiguration = Path.Combine(AppContext.BaseDirectory, $"{Program}.runtimeconfig.json");
            foreach (var file in Directory.GetFiles(AppContext.BaseDirectory, "*.dll").Append(runtimeConfiguration))
            {
                File.Copy(file, Path.Combine(folder.FullName, Path.GetFileName(file)));
            }
            string[] arguments = [Path.Combine(folder.FullName, $"{Program}.dll"), "--shape", "tiny", "--device", "cpu", "--only", "plain"];
            var start = new ProcessStartInfo("dotnet", arguments)
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                Environment = { ["NUGET_PACKAGES"] = folder.CreateSubdirectory("packages").FullName, ["DOTNET_ROLL_FORWARD"] = "LatestMajor" },
            };
            using var process = Process.Start(start)!;
            var output = process.StandardOutput.ReadToEndAsync();
            var errors = process.StandardError.ReadToEnd();
            process.WaitForExit();
            Assert.AreEqual(2, process.ExitCode, output.Result + errors);
            Assert.AreEqual($"TorchSharp: found no libtorch in {folder.FullName}/ and the folders of the program's packages; "
                + "expected the native library from a separate package. Add one package to the program, version 0.107.0: "
                + "TorchSharp-cuda-linux or TorchSharp-cuda-windows for an NVIDIA GPU, TorchSharp-cpu for the CPU.",
                errors.Trim().Replace('\\', '/'));
            Assert.AreEqual("", output.Result, "TorchSharp prints what it tried");
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [TestMethod]
    public void Missing_ProgramThatIsBuilt_NamesWhatToCopyAndWhere()
    {
        var system = System.Runtime.InteropServices.RuntimeInformation.RuntimeIdentifier;
        Assert.AreEqual("Add one package to the program, version 0.107.0: TorchSharp-cuda-linux or TorchSharp-cuda-windows for an NVIDIA GPU, "
            + $"TorchSharp-cpu for the CPU. For a program that is built, as nlft is, copy the files of runtimes/{system}/native of the package "
            + $"libtorch-cpu-{system} 2.10.0 to /app/native.", LibTorch.Missing(null, "/app/native", null, new NotSupportedException()).Remedy);
        Assert.AreEqual($"{LibTorch.LibraryVersion}.0", global::TorchSharp.torch.__version__);
    }

    [TestMethod]
    public void Missing_LibraryThatDoesNotLoad_NamesFolderAndCause()
    {
        var old = LibTorch.Missing("/app", "/app", "libstdc++.so.6: version `GLIBCXX_3.4.32' not found", new NotSupportedException("trace"));
        Assert.AreEqual("TorchSharp: found libtorch in /app that does not load (libstdc++.so.6: version `GLIBCXX_3.4.32' not found); "
            + "expected the build for this system and TorchSharp 0.107.0, and the system libraries it was built with. "
            + "Use a system whose libstdc++ is GCC 13's or newer, for example Debian 13 or Ubuntu 24.04.", old.Message);
        var other = LibTorch.Missing("/app", "/app", null, new NotSupportedException("first line\nsecond line"));
        Assert.AreEqual("libtorch in /app that does not load (first line)", other.Found);
        Assert.AreEqual("Use TorchSharp-cpu, TorchSharp-cuda-linux or TorchSharp-cuda-windows of version 0.107.0, whichever fits this system.",
            other.Remedy);
    }

    /// <summary>The threads of libtorch sleep while they wait: the library of OpenMP reads the environment of C when it loads.</summary>
    [TestMethod]
    public void Load_WithoutAWaitPolicy_MakesThreadsWaitPassively()
    {
        if (!OperatingSystem.IsLinux()) Assert.Inconclusive("The variable is set on Linux only.");
        Assert.AreEqual(Environment.GetEnvironmentVariable("OMP_WAIT_POLICY") ?? "passive", Marshal.PtrToStringUTF8(Variable("OMP_WAIT_POLICY")));
    }

    /// <summary>The library that requires a newer libstdc++ loads once the requirement is weak, whatever the system's version is.</summary>
    [TestMethod]
    public void Weaken_PublishedLibrary_ChangesTheFlagOfOneRequirement()
    {
        var folder = LibTorch.FolderOf("libLibTorchSharp.so");
        if (folder is null) Assert.Inconclusive("There is no library for Linux.");
        var bytes = File.ReadAllBytes(Path.Combine(folder, "libLibTorchSharp.so"));
        var weak = bytes.ToArray();
        Assert.IsTrue(OlderStandardLibrary.Weaken(weak));
        var changed = Enumerable.Range(0, bytes.Length).Where(at => bytes[at] != weak[at]).ToArray();
        Assert.HasCount(1, changed);
        Assert.AreEqual(bytes[changed[0]] | 2, weak[changed[0]]);
        Assert.IsFalse(OlderStandardLibrary.Weaken(File.ReadAllBytes(Path.Combine(folder, "libc10.so"))), "it requires no such version");
    }

    [DllImport("libc", EntryPoint = "getenv", CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    private static extern nint Variable(string name);
}
