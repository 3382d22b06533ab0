using System.Runtime.InteropServices;

namespace Microsoft.ML.Nlft.Distributed;

/// <summary>
/// Restores signal handlers. Libraries below MPI (UCX, Open MPI's debugging aid) replace the handlers of invalid memory access, which .NET needs for
/// NullReferenceException.
/// </summary>
internal sealed unsafe class RuntimeSignals : IDisposable
{
    private const int SizeOfAction = 512; // larger than struct sigaction on any platform

    // The POSIX numbers of SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGSEGV, and of SIGBUS on Linux and elsewhere.
    private static readonly int[] s_signals = [4, 5, 6, 8, 11, OperatingSystem.IsLinux() ? 7 : 10];

    private readonly delegate* unmanaged<int, byte*, byte*, int> _sigaction;
    private readonly byte[][] _actions = [];

    private RuntimeSignals()
    {
        if (OperatingSystem.IsWindows()) return;
        // From the C library itself: UCX interposes a sigaction that refuses.
        if (!NativeLibrary.TryLoad(OperatingSystem.IsMacOS() ? "libSystem.dylib" : "libc.so.6", out var library)) return;
        if (!NativeLibrary.TryGetExport(library, "sigaction", out var function)) return;
        _sigaction = (delegate* unmanaged<int, byte*, byte*, int>)function;
        _actions = Array.ConvertAll(s_signals, _ => new byte[SizeOfAction]);
        for (var i = 0; i < _actions.Length; i++)
            fixed (byte* action = _actions[i]) _sigaction(s_signals[i], null, action);
    }

    /// <summary>Saves the handlers; disposing the result restores them.</summary>
    public static RuntimeSignals Keep() => new();

    /// <inheritdoc/>
    public void Dispose()
    {
        for (var i = 0; i < _actions.Length; i++)
            fixed (byte* action = _actions[i]) _sigaction(s_signals[i], action, null);
    }
}
