using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>
/// What some work asks of libtorch: dispatches of ATen operators, views and the parts of composite operators included, and tensor handles of
/// TorchSharp. A GPU waits for both where its kernels are short, and the CPU counts the same. Linux only: it calls libtorch's RecordFunction by the
/// names of its compiler.
/// </summary>
/// <param name="Dispatches">The dispatches by operator.</param>
/// <param name="Handles">The number of tensor handles.</param>
internal sealed unsafe record OpCount(IReadOnlyDictionary<string, long> Dispatches, long Handles)
{
    private static readonly Lock s_lock = new(); // callbacks belong to the process
    private static ConcurrentDictionary<string, long> s_counts = [];

    /// <summary>The number of dispatches.</summary>
    public long Total => Dispatches.Values.Sum();

    /// <summary>Counts what some work asks for; no other thread may use libtorch meanwhile.</summary>
    public static OpCount Of(Action work)
    {
        lock (s_lock)
        {
            s_counts = [];
            var handles = CreatedHandles;
            var callback = new Callback { Start = (nint)(delegate* unmanaged[Cdecl]<nint, nint, nint>)&Started, Probability = 1 };
            callback.Scopes[0] = 1; // functions
            var handle = AddGlobalCallback(callback);
            try
            {
                work();
            }
            finally
            {
                RemoveCallback(handle);
            }
            return new(s_counts.Where(count => count.Key.StartsWith("aten::", StringComparison.Ordinal)).ToDictionary(), CreatedHandles - handles);
        }
    }

    /// <summary>What one layer adds, from the counts of two models of so many layers.</summary>
    public static (long Dispatches, long Handles) PerLayer(OpCount few, int fewLayers, OpCount many, int manyLayers) =>
        ((many.Total - few.Total) / (manyLayers - fewLayers), (many.Handles - few.Handles) / (manyLayers - fewLayers));

    /// <summary>The operators that a layer dispatches, for messages.</summary>
    public static string Difference(OpCount few, OpCount many) => string.Join(' ', many.Dispatches
        .Select(count => (count.Key, Value: count.Value - few.Dispatches.GetValueOrDefault(count.Key))).Where(count => count.Value != 0)
        .OrderByDescending(count => count.Value).Select(count => $"{count.Key["aten::".Length..]}:{count.Value}"));

    private static long CreatedHandles => DisposeScopeManager.Statistics.TensorStatistics.CreatedInScopeCount
        + DisposeScopeManager.Statistics.TensorStatistics.CreatedOutsideScopeCount;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static nint Started(nint result, nint function)
    {
        *(nint*)result = 0; // no context of the observer
        s_counts.AddOrUpdate(Marshal.PtrToStringUTF8((nint)NameOf(function)) ?? "?", 1, (_, count) => count + 1);
        return result;
    }

    [DllImport("libtorch_cpu", EntryPoint = "_ZN2at17addGlobalCallbackENS_22RecordFunctionCallbackE")]
    private static extern ulong AddGlobalCallback(Callback callback);

    [DllImport("libtorch_cpu", EntryPoint = "_ZN2at14removeCallbackEm")]
    private static extern void RemoveCallback(ulong handle);

    [DllImport("libtorch_cpu", EntryPoint = "_ZNK2at14RecordFunction4nameEv")]
    private static extern byte* NameOf(nint function);

    /// <summary>at::RecordFunctionCallback.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 40)]
    private struct Callback
    {
        public nint Start, End;
        public double Probability;
        public fixed byte Scopes[16];
    }
}
