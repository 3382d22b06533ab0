using System.Reflection;
using System.Runtime.Loader;
using SharpFuzz;
using Instrumenter = SharpFuzz.Fuzzer;

namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>
/// Loads a copy of the library that SharpFuzz has instrumented, and again the assemblies that use it. The copy lies beside the program until the
/// context is disposed of; the built assembly does not change.
/// </summary>
internal sealed class InstrumentedCode : AssemblyLoadContext, IDisposable
{
    private const string ContextName = "instrumented", Library = "Microsoft.ML.Nlft.Core";

    private readonly string[] _users;
    private readonly DirectoryInfo _folder;

    /// <summary>Instruments the library.</summary>
    /// <param name="users">The names of the assemblies that use it.</param>
    public InstrumentedCode(params string[] users)
        : base(ContextName)
    {
        _users = users;
        _folder = Directory.CreateDirectory(Path.Combine(AppContext.BaseDirectory, $"instrumented-{Path.GetRandomFileName()}"));
        File.Copy(Path.Combine(AppContext.BaseDirectory, Library + ".dll"), Copy);
        // SharpFuzz takes its options from the environment; with this one, code says which branch target it reached.
        Environment.SetEnvironmentVariable("SHARPFUZZ_ENABLE_ON_BRANCH_CALLBACK", "1");
        Instrumenter.Instrument(Copy, type => type.StartsWith("Microsoft.ML.Nlft.", StringComparison.Ordinal), Options.Value);
        _ = new Coverage(); // instrumented code writes to its map from its first step on
    }

    /// <summary>Whether the running code is the one with the instrumented library.</summary>
    public static bool IsRunning => GetLoadContext(typeof(InstrumentedCode).Assembly)?.Name == ContextName;

    private string Copy => Path.Combine(_folder.FullName, Library + ".dll");

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
        Library => LoadFromAssemblyPath(Copy),
        { } name when _users.Contains(name) => LoadFromAssemblyPath(Path.Combine(AppContext.BaseDirectory, name + ".dll")),
        _ => null,
    };
}
