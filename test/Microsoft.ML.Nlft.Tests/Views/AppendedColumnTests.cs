using Microsoft.ML.Data;
using Microsoft.ML.Nlft.Views;

namespace Microsoft.ML.Nlft.Tests.Views;

[TestClass]
public sealed class AppendedColumnTests
{
    private readonly MLContext _mlContext = new(seed: 1);
    private readonly List<int> _batches = [];
    private readonly List<long> _positions = [];

    [TestMethod]
    [DataRow(1, "1 1 1 1 1 1 1")]
    [DataRow(3, "3 3 1")]
    [DataRow(7, "7")]
    [DataRow(100, "7")]
    public void Cursor_Batches_KeepValuesWithTheirRows(int batchSize, string batches)
    {
        var answered = _mlContext.Data.CreateEnumerable<AnsweredRow>(View(7, batchSize), reuseRowObject: false).ToList();

        CollectionAssert.AreEqual(Enumerable.Range(0, 7).Select(i => $"<q{i}>").ToList(), answered.ConvertAll(r => r.GeneratedAnswer));
        CollectionAssert.AreEqual(Enumerable.Range(0, 7).Select(i => $"q{i}").ToList(), answered.ConvertAll(r => r.Question));
        CollectionAssert.AreEqual(Enumerable.Range(0, 7).Select(i => (float)i).ToList(), answered.ConvertAll(r => r.Weight));
        Assert.AreEqual(batches, string.Join(' ', _batches));
        CollectionAssert.AreEqual(Enumerable.Range(0, 7).Select(i => (long)i).ToList(), _positions);
    }

    [TestMethod]
    public void Cursor_ThreeConsumers_ShareOneComputation()
    {
        var view = View(4, batchSize: 2);
        var column = view.Schema["GeneratedAnswer"];
        using var cursor = view.GetRowCursor([column]);
        var consumers = Enumerable.Range(0, 3).Select(_ => cursor.GetGetter<ReadOnlyMemory<char>>(column)).ToArray();

        for (var i = 0; cursor.MoveNext(); i++)
        {
            foreach (var consumer in consumers)
            {
                ReadOnlyMemory<char> text = default;
                consumer(ref text);
                Assert.AreEqual($"<q{i}>", text.ToString());
            }
        }

        Assert.AreEqual(4, _positions.Count);
    }

    [TestMethod]
    public void Cursor_ColumnNotRequested_ComputesNothing()
    {
        var view = View(5, batchSize: 2);
        using (var cursor = view.GetRowCursor([view.Schema["Question"]])) while (cursor.MoveNext()) { }
        using (var cursor = view.GetRowCursor(view.Schema)) while (cursor.MoveNext()) { }

        Assert.AreEqual(0, _batches.Count);
    }

    [TestMethod]
    public void Cursor_TwoRowsRead_ComputesOneBatch()
    {
        var view = View(1000, batchSize: 8);
        _ = _mlContext.Data.CreateEnumerable<AnsweredRow>(view, reuseRowObject: false).Take(2).ToList();

        Assert.AreEqual("8", string.Join(' ', _batches));
    }

    [TestMethod]
    public void GetRowCursorSet_AnyCount_ReturnsOneCursor()
    {
        var view = View(5, batchSize: 2);
        var cursors = view.GetRowCursorSet(view.Schema, 8);

        Assert.AreEqual(1, cursors.Length);
        foreach (var cursor in cursors) cursor.Dispose();
    }

    [TestMethod]
    public void Cursor_PositionAndId_BelongToTheCurrentRow()
    {
        var view = View(5, batchSize: 3);
        using var cursor = view.GetRowCursor(view.Schema);
        var id = cursor.GetIdGetter();
        Assert.AreEqual(-1, cursor.Position);
        for (var i = 0; i < 5; i++)
        {
            Assert.IsTrue(cursor.MoveNext());
            DataViewRowId value = default;
            id(ref value);
            Assert.AreEqual(i, cursor.Position);
            Assert.AreEqual((ulong)i, value.Low);
        }
        Assert.IsFalse(cursor.MoveNext());
        Assert.IsFalse(cursor.MoveNext());
        Assert.AreEqual(-1, cursor.Position);
    }

    [TestMethod]
    public void Getter_BeforeFirstRow_Throws()
    {
        var view = View(1, batchSize: 1);
        using var cursor = view.GetRowCursor(view.Schema);
        var getter = cursor.GetGetter<ReadOnlyMemory<char>>(view.Schema["GeneratedAnswer"]);
        ReadOnlyMemory<char> text = default;

        StringAssert.Contains(Assert.ThrowsExactly<InvalidOperationException>(() => getter(ref text)).Message, "MoveNext");
    }

    [TestMethod]
    public void Getter_ColumnNotRequested_Throws()
    {
        var view = View(1, batchSize: 1);
        using var cursor = view.GetRowCursor([view.Schema["Question"]]);

        Assert.IsFalse(cursor.IsColumnActive(view.Schema["GeneratedAnswer"]));
        Assert.IsFalse(cursor.IsColumnActive(view.Schema["Weight"]));
        var error = Assert.ThrowsExactly<InvalidOperationException>(() => cursor.GetGetter<ReadOnlyMemory<char>>(view.Schema["GeneratedAnswer"]));
        StringAssert.Contains(error.Message, "GeneratedAnswer");
    }

    [TestMethod]
    public void Getter_WrongType_Throws()
    {
        var view = View(1, batchSize: 1);
        using var cursor = view.GetRowCursor(view.Schema);

        var text = Assert.ThrowsExactly<InvalidOperationException>(() => cursor.GetGetter<float>(view.Schema["GeneratedAnswer"]));
        var number = Assert.ThrowsExactly<InvalidOperationException>(() => cursor.GetGetter<int>(view.Schema["Weight"]));

        StringAssert.Contains(text.Message, "not System.Single");
        Assert.AreEqual("Column 'Weight' holds System.Single, not System.Int32.", number.Message);
    }

    [TestMethod]
    public void Schema_OutputNameExists_HidesTheOldColumn()
    {
        var view = new AppendedColumnView<ReadOnlyMemory<char>>(Rows(2), Column(2) with { Name = "Answer" });
        var answers = _mlContext.Data.CreateEnumerable<Row>(view, reuseRowObject: false).Select(r => r.Answer).ToList();

        CollectionAssert.AreEqual(new[] { "<q0>", "<q1>" }, answers);
    }

    [TestMethod]
    public void Cursor_ChainOfTwoViews_ComputesEachRowOnce()
    {
        var inner = View(5, batchSize: 2);
        var outerRows = 0;
        var outer = new AppendedColumnView<bool>(inner, new AppendedColumn<bool>("Long", BooleanDataViewType.Instance, ["GeneratedAnswer"], 3, rows =>
        {
            outerRows += rows.Count;
            return [.. rows.Select(r => r.Texts[0].Length > 3)];
        }));
        using var cursor = outer.GetRowCursor(outer.Schema);
        var generated = cursor.GetGetter<ReadOnlyMemory<char>>(outer.Schema["GeneratedAnswer"]);
        var isLong = cursor.GetGetter<bool>(outer.Schema["Long"]);
        for (var i = 0; cursor.MoveNext(); i++)
        {
            ReadOnlyMemory<char> text = default;
            var flag = false;
            generated(ref text);
            isLong(ref flag);
            Assert.AreEqual($"<q{i}>", text.ToString());
            Assert.IsTrue(flag);
        }

        Assert.AreEqual(5, outerRows);
        Assert.AreEqual(5, _positions.Count);
    }

    [TestMethod]
    public void Cursors_SeveralThreads_GetTheirOwnRows()
    {
        var view = View(50, batchSize: 7);
        Parallel.For(0, 4, _ =>
        {
            var answers = _mlContext.Data.CreateEnumerable<AnsweredRow>(view, reuseRowObject: false).Select(r => r.GeneratedAnswer);
            CollectionAssert.AreEqual(Enumerable.Range(0, 50).Select(i => $"<q{i}>").ToList(), answers.ToList());
        });

        Assert.AreEqual(200, _positions.Count);
    }

    [TestMethod]
    public void GetRowCount_View_EqualsSource() => Assert.AreEqual(Rows(9).GetRowCount(), View(9, 2).GetRowCount());

    private AppendedColumnView<ReadOnlyMemory<char>> View(int rows, int batchSize) => new(Rows(rows), Column(batchSize));

    private IDataView Rows(int count) =>
        _mlContext.Data.LoadFromEnumerable(Enumerable.Range(0, count).Select(i => new Row { Question = $"q{i}", Weight = i }).ToList());

    private AppendedColumn<ReadOnlyMemory<char>> Column(int batchSize) =>
        new("GeneratedAnswer", TextDataViewType.Instance, ["Question"], batchSize, rows =>
    {
        lock (_batches)
        {
            _batches.Add(rows.Count);
            _positions.AddRange(rows.Select(r => r.Position));
        }
        return [.. rows.Select(r => $"<{r.Texts[0]}>".AsMemory())];
    });
}
