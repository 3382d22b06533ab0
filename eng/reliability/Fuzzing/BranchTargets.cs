using dnlib.DotNet;
using dnlib.DotNet.Emit;
using SharpFuzz.Common;

namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>
/// The branch targets of an instrumented assembly: beginnings of functions, of branches and of catch blocks. SharpFuzz gives each an id, and few
/// share one.
/// </summary>
internal sealed class BranchTargets
{
    private readonly Dictionary<string, HashSet<int>> _idsOfClasses = new(StringComparer.Ordinal);

    /// <summary>Reads them from the assembly.</summary>
    public BranchTargets(string assembly)
    {
        using var module = ModuleDefMD.Load(assembly);
        foreach (var type in module.GetTypes())
        {
            var outermost = type;
            while (outermost.DeclaringType is { } outer) outermost = outer;
            foreach (var method in type.Methods.Where(method => method.HasBody))
            {
                var code = method.Body.Instructions;
                for (var at = 0; at + 1 < code.Count; at++)
                {
                    // ldsfld SharedMem, ldc.i4 ID begin what SharpFuzz inserts at a branch target.
                    if (code[at] is not { OpCode.Code: Code.Ldsfld, Operand: IField { Name.String: nameof(Trace.SharedMem) } }) continue;
                    if (!_idsOfClasses.TryGetValue(outermost.FullName, out var ids)) _idsOfClasses[outermost.FullName] = ids = [];
                    ids.Add(code[at + 1].GetLdcI4Value());
                }
            }
        }
    }

    /// <summary>Counts the branch targets that were reached, and all those of the classes in which one was.</summary>
    public (int Reached, int All) Count(Func<int, bool> reached)
    {
        var entered = _idsOfClasses.Values.Where(ids => ids.Any(reached)).ToList();
        return (entered.Sum(ids => ids.Count(reached)), entered.Sum(ids => ids.Count));
    }
}
