using Microsoft.ML.Data;

namespace Microsoft.ML.Nlft.Views;

/// <summary>
/// Reads a source cursor in windows of up to <see cref="AppendedColumn{T}.BatchSize"/> rows: the source advances to the end of the window, the
/// values of its active columns are buffered until this cursor reaches their row, and the first request for the new column computes it for the
/// whole window.
/// </summary>
internal sealed class AppendedColumnCursor<T> : DataViewRowCursor
{
    private readonly DataViewRowCursor _source;
    private readonly AppendedColumnMapper<T> _mapper;
    private readonly Dictionary<int, IColumnBuffer> _columns = [];
    private readonly ColumnBuffer<DataViewRowId> _ids;
    private readonly TextRowReader? _texts;
    private readonly (long Position, long Batch)[] _places;
    private readonly List<TextRow> _rows = [];
    private IReadOnlyList<T>? _values;
    private int _count;
    private int _slot = -1;
    private bool _ended;

    public AppendedColumnCursor(DataViewRowCursor source, AppendedColumnMapper<T> mapper, IReadOnlyList<DataViewSchema.Column> needed)
    {
        (_source, _mapper) = (source, mapper);
        _texts = needed.Any(mapper.IsAppended) ? new TextRowReader(source, mapper.Inputs) : null;
        var size = _texts is null ? 1 : mapper.Column.BatchSize;
        _places = new (long, long)[size];
        _ids = new ColumnBuffer<DataViewRowId>(source.GetIdGetter(), size);
        foreach (var column in needed.Where(c => !mapper.IsAppended(c)))
            _columns.TryAdd(column.Index, ColumnBuffer.Create(source, source.Schema[column.Index], size));
    }

    public override DataViewSchema Schema => _mapper.OutputSchema;

    public override long Position => _slot < 0 ? -1 : _places[_slot].Position;

    public override long Batch => _slot < 0 ? 0 : _places[_slot].Batch;

    public override bool MoveNext()
    {
        if (_slot >= 0 && _slot + 1 < _count)
        {
            _slot++;
            return true;
        }
        ReadWindow();
        _slot = _count > 0 ? 0 : -1;
        return _count > 0;
    }

    private void ReadWindow()
    {
        _values = null;
        _rows.Clear();
        for (_count = 0; _count < _places.Length && !_ended; _count++)
        {
            _ended = !_source.MoveNext();
            if (_ended) return;
            _places[_count] = (_source.Position, _source.Batch);
            _ids.Read(_count);
            foreach (var column in _columns.Values) column.Read(_count);
            if (_texts is not null) _rows.Add(_texts.Read());
        }
    }

    public override bool IsColumnActive(DataViewSchema.Column column) =>
        _mapper.IsAppended(column) ? _texts is not null : _columns.ContainsKey(column.Index);

    public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
    {
        if (!IsColumnActive(column)) throw Getters.Inactive(column);
        if (_mapper.IsAppended(column)) return Getters.Cast<T, TValue>((ref T value) => value = Value(), column);
        var buffer = _columns[column.Index] as ColumnBuffer<TValue> ?? throw Getters.WrongType(column, typeof(TValue));
        return (ref TValue value) => buffer.Write(Slot(), ref value);
    }

    public override ValueGetter<DataViewRowId> GetIdGetter() => (ref DataViewRowId id) => _ids.Write(Slot(), ref id);

    private T Value()
    {
        var slot = Slot();
        _values ??= _mapper.Column.Compute(_rows);
        return _values[slot];
    }

    private int Slot() => _slot >= 0 ? _slot : throw new InvalidOperationException("The cursor is not on a row: call MoveNext first.");

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            (_slot, _count, _ended) = (-1, 0, true);
            _source.Dispose();
        }
        base.Dispose(disposing);
    }
}
