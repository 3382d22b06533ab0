using System.Collections.Concurrent;
using System.Reflection;
using System.Runtime.Loader;
using SharpFuzz;
using Instrumenter = SharpFuzz.Fuzzer;

namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>
/// Loads copies of the library and of the tool that SharpFuzz has instrumented, and again the assemblies that use them. The copies lie beside the
/// program until the context is disposed of; the built assemblies do not change.
/// </summary>
internal sealed class InstrumentedCode : AssemblyLoadContext, IDisposable
{
    private const string ContextName = "instrumented";

    /// <summary>The libraries that are instrumented: the second has the reader of Parquet.</summary>
    private static readonly string[] s_libraries = ["Microsoft.ML.Nlft.Core", "Microsoft.ML.Nlft.Tool"];

    /// <summary>What was instrumented in this process: another time, SharpFuzz would give branch targets other ids.</summary>
    private static readonly ConcurrentDictionary<string, byte[]> s_instrumented = new(StringComparer.Ordinal);

    private readonly string[] _users;
    private readonly DirectoryInfo _folder;

    /// <summary>Instruments the library and the tool.</summary>
    /// <param name="users">The names of the assemblies that use them.</param>
    public InstrumentedCode(params string[] users)
        : base(ContextName)
    {
        _users = users;
        _folder = Directory.CreateDirectory(Path.Combine(AppContext.BaseDirectory, $"instrumented-{Path.GetRandomFileName()}"));
        // SharpFuzz takes its options from the environment; with this one, code says which branch target it reached.
        Environment.SetEnvironmentVariable("SHARPFUZZ_ENABLE_ON_BRANCH_CALLBACK", "1");
        foreach (var library in s_libraries) File.WriteAllBytes(Copy(library), s_instrumented.GetOrAdd(library, Instrument));
        _ = new Coverage(); // instrumented code writes to its map from its first step on
    }

    /// <summary>Whether the running code is the one with the instrumented library.</summary>
    public static bool IsRunning => GetLoadContext(typeof(InstrumentedCode).Assembly)?.Name == ContextName;

    private byte[] Instrument(string library)
    {
        File.Copy(Built(library), Copy(library));
        Instrumenter.Instrument(Copy(library), type => type.StartsWith("Microsoft.ML.Nlft.", StringComparison.Ordinal), Options.Value);
        return File.ReadAllBytes(Copy(library));
    }

    private static string Built(string library) => Path.Combine(AppContext.BaseDirectory, library + ".dll");

    private string Copy(string library) => Path.Combine(_folder.FullName, library + ".dll");

    /// <summary>Runs a program of this context; returns its exit code.</summary>
    public int Run(Assembly program, string[] args) =>
        (int)Loaded(program).EntryPoint!.Invoke(null, BindingFlags.DoNotWrapExceptions, null, [args], null)!;

    /// <summary>Returns the assembly of this context that has an assembly's name.</summary>
    public Assembly Loaded(Assembly assembly) => LoadFromAssemblyName(assembly.GetName());

    /// <summary>Deletes the copy.</summary>
    public void Dispose()
    {
        try
        {
            _folder.Delete(recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Windows keeps the file of a loaded assembly.
        }
    }

    /// <inheritdoc/>
    protected override Assembly? Load(AssemblyName assemblyName) => assemblyName.Name switch
    {
        { } name when s_libraries.Contains(name) => LoadFromAssemblyPath(Copy(name)),
        { } name when _users.Contains(name) => LoadFromAssemblyPath(Built(name)),
        _ => null,
    };
}
