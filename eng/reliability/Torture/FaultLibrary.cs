using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Microsoft.ML.Nlft.Reliability.Torture;

/// <summary>Kinds of calls to the operating system, in the order of faults.c.</summary>
internal enum FaultKind
{
    /// <summary>A file or a folder is opened.</summary>
    Open,

    /// <summary>Bytes are read.</summary>
    Read,

    /// <summary>Bytes are written, or a file gets another length. Half of the bytes of a failing write are written.</summary>
    Write,

    /// <summary>A file or a folder is written through to the disk.</summary>
    Sync,

    /// <summary>A file or a folder gets another name.</summary>
    Rename,

    /// <summary>A file gets a second name.</summary>
    Link,

    /// <summary>A file or a folder is deleted.</summary>
    Unlink,

    /// <summary>A folder is created.</summary>
    Mkdir,
}

/// <summary>
/// The library of faults.c, which is compiled when it is needed and loaded into a process of its own (LD_PRELOAD) between .NET and the operating
/// system. Linux with a C compiler.
/// </summary>
internal static partial class FaultLibrary
{
    private const string Source = "faults.c", Preload = "LD_PRELOAD";

    /// <summary>Says what is missing to compile the library; null: nothing.</summary>
    public static string? Missing => !OperatingSystem.IsLinux() ? "they need Linux."
        : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, "cc"))) ? null
        : "they need a C compiler (Debian: gcc and libc6-dev).";

    /// <summary>Runs a command of this program in a process with the library, and waits for it.</summary>
    /// <param name="folder">Where to put the library.</param>
    /// <param name="arguments">The command.</param>
    /// <returns>The exit code.</returns>
    public static int Run(string folder, params string[] arguments)
    {
        var library = Path.Combine(folder, "faults.so");
        if (!File.Exists(library)) Compile(library);
        using var process = Process.Start(new ProcessStartInfo("dotnet", [typeof(FaultLibrary).Assembly.Location, .. arguments])
        {
            Environment = { [Preload] = library },
            RedirectStandardOutput = true,
        })!;
        process.OutputDataReceived += (_, line) => { if (line.Data is { } text) Console.WriteLine(text); };
        process.BeginOutputReadLine();
        process.WaitForExit();
        return process.ExitCode;
    }

    /// <summary>Watches a folder in this process.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="kind">The kind of the call that fails.</param>
    /// <param name="call">Which one, from 1; 0: none.</param>
    /// <param name="error">Its error, an errno of Linux.</param>
    [LibraryImport("faults", EntryPoint = "faults_begin", StringMarshalling = StringMarshalling.Utf8)]
    public static partial void Begin(string folder, FaultKind kind = 0, int call = 0, int error = 0);

    /// <summary>Records what happens in the folder in a file elsewhere.</summary>
    [LibraryImport("faults", EntryPoint = "faults_record", StringMarshalling = StringMarshalling.Utf8)]
    public static partial void Record(string path);

    /// <summary>Ends watching and recording.</summary>
    [LibraryImport("faults", EntryPoint = "faults_end")]
    public static partial void End();

    /// <summary>Returns the number of calls of a kind since <see cref="Begin"/>.</summary>
    [LibraryImport("faults", EntryPoint = "faults_count")]
    public static partial int Count(FaultKind kind);

    /// <summary>The path of the call that failed; empty: none did.</summary>
    public static string Failed => Marshal.PtrToStringUTF8(FailedPath()) ?? "";

    [LibraryImport("faults", EntryPoint = "faults_failed")]
    private static partial nint FailedPath();

    /// <summary>Makes this process use the library that it was started with.</summary>
    public static void Resolve() => NativeLibrary.SetDllImportResolver(typeof(FaultLibrary).Assembly,
        (name, _, _) => name == "faults" ? NativeLibrary.Load(Environment.GetEnvironmentVariable(Preload)!) : 0);

    private static void Compile(string library)
    {
        var source = Path.Combine(Path.GetDirectoryName(library)!, Source);
        using (var text = typeof(FaultLibrary).Assembly.GetManifestResourceStream(Source)!)
        using (var file = File.Create(source))
        {
            text.CopyTo(file);
        }
        using var compiler = Process.Start("cc", ["-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"]);
        compiler.WaitForExit();
        if (compiler.ExitCode != 0) throw new InvalidOperationException($"cc could not compile {source}: exit code {compiler.ExitCode}.");
    }
}
