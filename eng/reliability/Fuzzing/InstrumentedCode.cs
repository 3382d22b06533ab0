using System.Reflection;
using System.Runtime.Loader;
using SharpFuzz;
using Instrumenter = SharpFuzz.Fuzzer;

namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>
/// Runs this program again with a copy of the library that SharpFuzz has instrumented. The copy lies beside the program while it runs; the built
/// assembly does not change.
/// </summary>
internal sealed class InstrumentedCode : AssemblyLoadContext
{
    private const string ContextName = "instrumented", Library = "Microsoft.ML.Nlft.Core";

    /// <summary>The assemblies that use the library, which are loaded again with it.</summary>
    private static readonly string[] s_users = ["Microsoft.ML.Nlft.Reliability", "Microsoft.ML.Nlft", "ChatServer"];

    private readonly string _library;

    private InstrumentedCode(string library)
        : base(ContextName) => _library = library;

    /// <summary>Whether the running program is the one with the instrumented library.</summary>
    public static bool IsRunning => GetLoadContext(typeof(InstrumentedCode).Assembly)?.Name == ContextName;

    /// <summary>Runs the program with these arguments and the instrumented library; returns its exit code.</summary>
    public static int Run(string[] args)
    {
        var folder = Directory.CreateDirectory(Path.Combine(AppContext.BaseDirectory, $"instrumented-{Environment.ProcessId}"));
        try
        {
            var library = Path.Combine(folder.FullName, Library + ".dll");
            File.Copy(Path.Combine(AppContext.BaseDirectory, Library + ".dll"), library, overwrite: true);
            // SharpFuzz takes its options from the environment; with this one, code says which branch target it reached.
            Environment.SetEnvironmentVariable("SHARPFUZZ_ENABLE_ON_BRANCH_CALLBACK", "1");
            Instrumenter.Instrument(library, type => type.StartsWith("Microsoft.ML.Nlft.", StringComparison.Ordinal), Options.Value);
            _ = new Coverage(); // instrumented code writes to its map from its first step on
            var program = new InstrumentedCode(library).LoadFromAssemblyName(typeof(InstrumentedCode).Assembly.GetName());
            return (int)program.EntryPoint!.Invoke(null, BindingFlags.DoNotWrapExceptions, null, [args], null)!;
        }
        finally
        {
            Remove(folder);
        }
    }

    /// <inheritdoc/>
    protected override Assembly? Load(AssemblyName assemblyName) => assemblyName.Name switch
    {
        Library => LoadFromAssemblyPath(_library),
        { } name when s_users.Contains(name) => LoadFromAssemblyPath(Path.Combine(AppContext.BaseDirectory, name + ".dll")),
        _ => null,
    };

    private static void Remove(DirectoryInfo folder)
    {
        try
        {
            folder.Delete(recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Windows keeps the file of a loaded assembly.
        }
    }
}
