using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Tests.Data;

/// <summary>A file is read in time linear in its size, whatever its format: shown by counts, not by clocks.</summary>
[TestClass]
public sealed class LinearReadingTests
{
    private const int Rows = 2000;

    private readonly TemporaryFolder _folder = new();

    [TestCleanup]
    public void Clean() => _folder.Dispose();

    /// <summary>
    /// Bytes allocated are a count of work: a reader that copied, or parsed anew, what it has already passed would allocate about 16 times as much
    /// for four times the rows. (Growing lists may double once more than the rows do, hence 5.)
    /// </summary>
    [TestMethod]
    [DataRow("rows.jsonl", null)]
    [DataRow("rows.json", null)]
    [DataRow("rows.json", RowFormat.Cut)]
    [DataRow("rows.csv", null)]
    [DataRow("rows.tsv", null)]
    [DataRow("rows.jsonl", RowFormat.Gsm8k)]
    public void Read_FourTimesTheRows_AllocatesFourTimesAsMuch(string name, RowFormat? format)
    {
        var (small, large) = (Write(name, format, Rows), Write("large-" + name, format, 4 * Rows));
        _ = Allocated(small, format); // compiles
        var (one, four) = (Allocated(small, format), Allocated(large, format));
        Assert.IsInRange(3.0, 5.0, (double)four / one, $"{one} bytes for {Rows} rows, {four} for {4 * Rows}");
    }

    /// <summary>
    /// Line and column of each row are counted on from the row before. Counting allocates nothing, so allocations would not show a count that
    /// starts again; here the position never sees the bytes that it has passed.
    /// </summary>
    [TestMethod]
    [DataRow("\n")]
    [DataRow("")]
    public void Advance_RowAfterRow_CountsOnFromTheLast(string lineEnd)
    {
        var row = System.Text.Encoding.UTF8.GetBytes("{ä😀}," + lineEnd);
        var position = new JsonPosition();
        for (var at = 1; at <= Rows; at++)
        {
            position.Advance(row);
            Assert.AreEqual(lineEnd.Length > 0 ? (at + 1L, 1L) : (1L, 6L * at + 1), (position.Line, position.Column));
        }
    }

    private string Write(string name, RowFormat? format, int count)
    {
        var path = Path.Combine(_folder.Path, name);
        if (format == RowFormat.Gsm8k)
        {
            File.WriteAllLines(path, Enumerable.Range(0, count).Select(i =>
                $$"""{"question": "How much is {{i}} + 1?", "answer": "#### {{i + 1}}"}"""));
            return path;
        }
        DataFile.Write(path, Enumerable.Range(0, count).Select(i => new DataRow
        {
            Question = $"How much is {i} + 1?", Response = "I \"think\" it is\n#### 7", Answer = $"#### {i + 1}", Instruction = "Add.",
        }), format);
        return path;
    }

    private static long Allocated(string path, RowFormat? format)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var rows = DataFile.Read(path, format);
        var bytes = GC.GetAllocatedBytesForCurrentThread() - before;
        GC.KeepAlive(rows);
        return bytes;
    }
}
