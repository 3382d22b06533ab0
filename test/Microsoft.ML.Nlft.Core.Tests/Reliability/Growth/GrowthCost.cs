using System.Reflection;
using Microsoft.ML.Nlft.Reliability.Fuzzing;

namespace Microsoft.ML.Nlft.Tests.Reliability.Growth;

/// <summary>Measures what a case costs.</summary>
internal static class GrowthCost
{
    /// <summary>Returns the bytes that the work allocates.</summary>
    public static long Bytes(GrowthCase growth, int n)
    {
        using var folder = new TemporaryFolder();
        var work = growth.Prepare(folder, n);
        var before = GC.GetAllocatedBytesForCurrentThread();
        work();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    /// <summary>Returns the operations of the work: steps from branch target to branch target in the library, which must be instrumented.</summary>
    /// <param name="name">The name of the case.</param>
    /// <param name="n">Its size.</param>
    public static long Operations(string name, int n)
    {
        Assert.IsTrue(InstrumentedCode.IsRunning);
        using var folder = new TemporaryFolder();
        var work = GrowthCase.All.Single(growth => growth.Name == name).Prepare(folder, n);
        var coverage = new Coverage();
        work();
        return coverage.Steps;
    }

    /// <summary>Returns <see cref="Operations"/> as it is in the instrumented code.</summary>
    public static Func<string, int, long> In(InstrumentedCode code) => code.Loaded(typeof(GrowthCost).Assembly).GetType(typeof(GrowthCost).FullName!)!
        .GetMethod(nameof(Operations), BindingFlags.Public | BindingFlags.Static)!.CreateDelegate<Func<string, int, long>>();
}
