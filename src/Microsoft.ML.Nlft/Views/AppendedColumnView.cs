namespace Microsoft.ML.Nlft.Views;

/// <summary>A view with an <see cref="AppendedColumn{T}"/>. It is lazy: nothing is computed until a cursor's getter requests it.</summary>
internal sealed class AppendedColumnView<T>(IDataView source, AppendedColumn<T> column) : IDataView
{
    private readonly AppendedColumnMapper<T> _mapper = new(source.Schema, column);

    public DataViewSchema Schema => _mapper.OutputSchema;

    public bool CanShuffle => source.CanShuffle && !column.InOrder;

    public long? GetRowCount() => source.GetRowCount();

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null)
    {
        var needed = columnsNeeded.ToArray();
        return new AppendedColumnCursor<T>(source.GetRowCursor(_mapper.GetDependencies(needed), column.InOrder ? null : rand), _mapper, needed);
    }

    /// <summary>
    /// Returns a single cursor: later mappers would otherwise open one per processor, and all would queue for the model with rows read ahead for
    /// nothing.
    /// </summary>
    public DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random? rand = null) =>
        [GetRowCursor(columnsNeeded, rand)];
}
