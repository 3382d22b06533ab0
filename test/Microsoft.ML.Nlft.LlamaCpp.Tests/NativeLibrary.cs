using LLama.Native;

namespace Microsoft.ML.Nlft.LlamaCpp;

/// <summary>The native library of llama.cpp. Where it does not load, every test that needs it is skipped with one line.</summary>
[TestClass]
public static class NativeLibrary
{
    private static readonly Lazy<string?> s_fault = new(Load);

    /// <summary>Skips the test if the library does not load on this machine.</summary>
    public static void Require()
    {
        if (s_fault.Value is { } fault) Assert.Inconclusive($"llama.cpp does not load here: {fault}");
    }

    [AssemblyInitialize]
    public static void Quieten(TestContext _) => NativeLibraryConfig.All.WithLogCallback((_, _) => { });

    private static string? Load()
    {
        try
        {
            NativeApi.llama_max_devices();
            return null;
        }
        catch (Exception exception) when (exception is TypeInitializationException or DllNotFoundException or BadImageFormatException
            or EntryPointNotFoundException)
        {
            return (exception.InnerException ?? exception).Message.Split('\n')[0];
        }
    }
}
