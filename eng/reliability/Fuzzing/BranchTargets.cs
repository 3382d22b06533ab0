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
    private const int LongestWord = 40;

    private readonly Dictionary<string, (HashSet<int> Ids, HashSet<string> Words)> _classes = new(StringComparer.Ordinal);

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
                if (!_classes.TryGetValue(outermost.FullName, out var found)) _classes[outermost.FullName] = found = ([], []);
                for (var at = 0; at + 1 < code.Count; at++)
                {
                    // ldsfld SharedMem, ldc.i4 ID begin what SharpFuzz inserts at a branch target.
                    if (code[at] is { OpCode.Code: Code.Ldsfld, Operand: IField { Name.String: nameof(Trace.SharedMem) } })
                        found.Ids.Add(code[at + 1].GetLdcI4Value());
                    else if (code[at] is { OpCode.Code: Code.Ldstr, Operand: string { Length: > 0 and <= LongestWord } w } && !IsName(code[at + 1]))
                        found.Words.Add(w);
                }
            }
        }
    }

    /// <summary>Counts the branch targets that were reached, and all those of the classes in which one was.</summary>
    public (int Reached, int All) Count(Func<int, bool> reached)
    {
        var entered = Entered(reached).ToList();
        return (entered.Sum(one => one.Ids.Count(reached)), entered.Sum(one => one.Ids.Count));
    }

    /// <summary>Returns the texts in the classes in which a branch target was reached: keys, types and names that a reader compares.</summary>
    public IReadOnlyList<string> Words(Func<int, bool> reached) =>
        [.. Entered(reached).SelectMany(one => one.Words).Distinct().Order(StringComparer.Ordinal)];

    private IEnumerable<(HashSet<int> Ids, HashSet<string> Words)> Entered(Func<int, bool> reached) =>
        _classes.Values.Where(one => one.Ids.Any(reached));

    /// <summary>Whether the text before is the name of a method, which SharpFuzz inserts too.</summary>
    private static bool IsName(Instruction next) =>
        next is { OpCode.Code: Code.Callvirt, Operand: IMethod { Name.String: nameof(Action.Invoke), DeclaringType.FullName: var type } }
        && type.StartsWith("System.Action`2", StringComparison.Ordinal);
}
