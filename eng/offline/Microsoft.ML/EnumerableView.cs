// Offline stand-in: a view over objects. Lists can be shuffled and counted, other sequences are walked.

namespace Microsoft.ML.Data;

internal sealed class EnumerableView<TRow> : IDataView
    where TRow : class
{
    private readonly IEnumerable<TRow> _rows;
    private readonly RowMember[] _members;

    public EnumerableView(IEnumerable<TRow> rows, SchemaDefinition definition)
    {
        _rows = rows;
        _members = [.. definition.Select(column => new RowMember(typeof(TRow), column.MemberName))];
        var builder = new DataViewSchema.Builder();
        foreach (var column in definition) builder.AddColumn(column.ColumnName, column.ColumnType);
        Schema = builder.ToSchema();
    }

    public DataViewSchema Schema { get; }

    public bool CanShuffle => _rows is IList<TRow>;

    public long? GetRowCount() => (_rows as IList<TRow>)?.Count;

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random rand = null) =>
        new Cursor(this, Order(rand).GetEnumerator(), columnsNeeded.Select(column => column.Index));

    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random rand = null) => [GetRowCursor(columnsNeeded, rand)];

    private IEnumerable<(TRow Row, long Index)> Order(Random rand)
    {
        var rows = _rows.Select((row, i) => (row, (long)i));
        if (rand is null || !CanShuffle) return rows;
        var shuffled = rows.ToArray();
        rand.Shuffle(shuffled);
        return shuffled;
    }

    private sealed class Cursor(EnumerableView<TRow> view, IEnumerator<(TRow Row, long Index)> rows, IEnumerable<int> active) : DataViewRowCursor
    {
        private readonly HashSet<int> _active = [.. active];
        private long _position = -1;

        public override long Position => _position;

        public override long Batch => 0;

        public override DataViewSchema Schema => view.Schema;

        public override bool MoveNext()
        {
            if (!rows.MoveNext())
            {
                _position = -1;
                return false;
            }
            _position++;
            return true;
        }

        public override bool IsColumnActive(DataViewSchema.Column column) => _active.Contains(column.Index);

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
        {
            if (!IsColumnActive(column)) throw new ArgumentOutOfRangeException(nameof(column), $"Column '{column.Name}' is not active.");
            return view._members[column.Index].Getter(() => Current.Row) as ValueGetter<TValue> ??
                throw new InvalidOperationException($"Column '{column.Name}' holds {column.Type.RawType}, not {typeof(TValue)}.");
        }

        public override ValueGetter<DataViewRowId> GetIdGetter() => (ref DataViewRowId value) => value = new DataViewRowId((ulong)Current.Index, 0);

        private (TRow Row, long Index) Current => _position >= 0 ? rows.Current : throw new InvalidOperationException("The cursor stands on no row.");

        protected override void Dispose(bool disposing)
        {
            if (disposing) rows.Dispose();
            base.Dispose(disposing);
        }
    }
}
