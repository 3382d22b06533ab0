using Microsoft.ML.Data;

namespace Microsoft.ML.Nlft.Views;

/// <summary>Binds an <see cref="AppendedColumn{T}"/> to a schema: finds the columns it needs and computes it on single rows.</summary>
internal sealed class AppendedColumnMapper<T> : IRowToRowMapper
{
    public AppendedColumnMapper(DataViewSchema inputSchema, AppendedColumn<T> column)
    {
        (InputSchema, Column) = (inputSchema, column);
        Inputs = [.. column.Inputs.Select(name => TextColumns.Find(inputSchema, name).Index)];
        var builder = new DataViewSchema.Builder();
        builder.AddColumns(inputSchema);
        builder.AddColumn(column.Name, column.Type);
        OutputSchema = builder.ToSchema();
    }

    public DataViewSchema InputSchema { get; }

    public DataViewSchema OutputSchema { get; }

    public AppendedColumn<T> Column { get; }

    /// <summary>Indices of the input text columns.</summary>
    public IReadOnlyList<int> Inputs { get; }

    /// <summary>
    /// Whether this column of <see cref="OutputSchema"/> is the new one; the others keep the index they have in <see cref="InputSchema"/>.
    /// </summary>
    public bool IsAppended(DataViewSchema.Column column) => column.Index == InputSchema.Count;

    public IEnumerable<DataViewSchema.Column> GetDependencies(IEnumerable<DataViewSchema.Column> dependingColumns)
    {
        var wanted = dependingColumns.Select(c => c.Index).ToHashSet();
        if (wanted.Remove(InputSchema.Count)) wanted.UnionWith(Inputs);
        return [.. InputSchema.Where(c => wanted.Contains(c.Index))];
    }

    /// <summary>Reads the input texts of all rows of a view, in order.</summary>
    public static IReadOnlyList<TextRow> ReadInputs(IDataView view, AppendedColumn<T> column)
    {
        var mapper = new AppendedColumnMapper<T>(view.Schema, column);
        using var cursor = view.GetRowCursor(mapper.GetDependencies([mapper.OutputSchema[view.Schema.Count]]));
        var rows = new List<TextRow>();
        for (var reader = new TextRowReader(cursor, mapper.Inputs); cursor.MoveNext();) rows.Add(reader.Read());
        return rows;
    }

    public DataViewRow GetRow(DataViewRow input, IEnumerable<DataViewSchema.Column> activeColumns)
    {
        if (input.Schema != InputSchema)
            throw new ArgumentException("The row's schema differs from the one this mapper was created for.", nameof(input));
        return new Row(this, input, activeColumns.Any(IsAppended));
    }

    /// <summary>An input row with the new column, which is computed once per position however many getters there are.</summary>
    private sealed class Row : DataViewRow
    {
        private readonly AppendedColumnMapper<T> _mapper;
        private readonly DataViewRow _input;
        private readonly TextRowReader? _texts;
        private long? _computedPosition;
        private T? _value;

        public Row(AppendedColumnMapper<T> mapper, DataViewRow input, bool active)
        {
            (_mapper, _input) = (mapper, input);
            _texts = active ? new TextRowReader(input, mapper.Inputs) : null;
        }

        public override DataViewSchema Schema => _mapper.OutputSchema;

        public override long Position => _input.Position;

        public override long Batch => _input.Batch;

        public override ValueGetter<DataViewRowId> GetIdGetter() => _input.GetIdGetter();

        public override bool IsColumnActive(DataViewSchema.Column column) =>
            _mapper.IsAppended(column) ? _texts is not null : _input.IsColumnActive(_mapper.InputSchema[column.Index]);

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
        {
            if (!_mapper.IsAppended(column)) return _input.GetGetter<TValue>(_mapper.InputSchema[column.Index]);
            if (_texts is null) throw Getters.Inactive(column);
            return Getters.Cast<T, TValue>((ref T value) => value = Value(), column);
        }

        private T Value()
        {
            if (_computedPosition != _input.Position)
            {
                _value = _mapper.Column.Compute([_texts!.Read()])[0];
                _computedPosition = _input.Position;
            }
            return _value!;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing) _input.Dispose();
            base.Dispose(disposing);
        }
    }
}

/// <summary>Creates the exceptions for getters that cannot be provided, in ML.NET's terms.</summary>
internal static class Getters
{
    public static ValueGetter<TWanted> Cast<THave, TWanted>(ValueGetter<THave> getter, DataViewSchema.Column column) =>
        getter as ValueGetter<TWanted> ?? throw WrongType(column, typeof(TWanted));

    public static InvalidOperationException WrongType(DataViewSchema.Column column, Type wanted) =>
        new($"Column '{column.Name}' holds {column.Type.RawType}, not {wanted}.");

    public static InvalidOperationException Inactive(DataViewSchema.Column column) =>
        new($"Column '{column.Name}' was not among the requested columns.");
}
