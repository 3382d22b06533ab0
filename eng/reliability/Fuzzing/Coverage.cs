using System.Runtime.InteropServices;
using SharpFuzz.Common;

namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>
/// Says which edges an input reached. An instrumented assembly (<see cref="InstrumentedCode"/>) counts every step from one branch target to the next
/// in a map of 65,536 places, at <c>id XOR (id of the previous one / 2)</c>, as AFL does (M. Zalewski, technical_details.txt, section 1). Two edges
/// may share a place.
/// </summary>
internal sealed unsafe class Coverage
{
    private const int Size = 1 << 16;

    private readonly byte* _map = (byte*)NativeMemory.AllocZeroed(Size); // never freed: a thread of an earlier input may still write to it
    private readonly bool[] _edges = new bool[Size], _targets = new bool[Size];

    /// <summary>Starts to count. One instance counts at a time.</summary>
    public Coverage()
    {
        Trace.SharedMem = _map;
        Trace.OnBranch = (id, _) =>
        {
            _targets[id] = true;
            Steps++;
        };
    }

    /// <summary>The number of steps from branch target to branch target so far: the operations of the instrumented code.</summary>
    public long Steps { get; private set; }

    /// <summary>The number of different edges reached since <see cref="Restart"/>.</summary>
    public int Edges { get; private set; }

    /// <summary>Whether the branch target of that id was reached since <see cref="Restart"/>.</summary>
    public bool Reached(int id) => _targets[id];

    /// <summary>Forgets everything.</summary>
    public void Restart()
    {
        Clear();
        Array.Clear(_edges);
        Array.Clear(_targets);
        Edges = 0;
    }

    /// <summary>Forgets the last input's edges.</summary>
    public void Clear()
    {
        new Span<byte>(_map, Size).Clear();
        Trace.PrevLocation = 0;
    }

    /// <summary>Returns the edges of the last input in order.</summary>
    public List<int> Take()
    {
        var taken = new List<int>();
        var map = new ReadOnlySpan<byte>(_map, Size);
        for (var from = 0; map[from..].IndexOfAnyExcept((byte)0) is var next and >= 0; from += next + 1) taken.Add(from + next);
        return taken;
    }

    /// <summary>Adds the edges of the last input; returns whether one of them is new.</summary>
    public bool Collect()
    {
        var before = Edges;
        foreach (var edge in Take())
        {
            if (_edges[edge]) continue;
            _edges[edge] = true;
            Edges++;
        }
        return Edges > before;
    }
}
