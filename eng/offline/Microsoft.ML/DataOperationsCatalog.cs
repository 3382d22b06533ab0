// Offline stand-in: rows of a class to a view and back.

using Microsoft.ML.Data;

namespace Microsoft.ML;

/// <summary>Views from objects, and objects from views.</summary>
public sealed class DataOperationsCatalog
{
    internal DataOperationsCatalog()
    {
    }

    public IDataView LoadFromEnumerable<TRow>(IEnumerable<TRow> data, SchemaDefinition schemaDefinition = null)
        where TRow : class
    {
        ArgumentNullException.ThrowIfNull(data);
        return new EnumerableView<TRow>(data, schemaDefinition ?? SchemaDefinition.Create(typeof(TRow), SchemaDefinition.Direction.Read));
    }

    public IEnumerable<TRow> CreateEnumerable<TRow>(IDataView data, bool reuseRowObject, bool ignoreMissingColumns = false, SchemaDefinition schemaDefinition = null)
        where TRow : class, new()
    {
        ArgumentNullException.ThrowIfNull(data);
        var columns = (schemaDefinition ?? SchemaDefinition.Create(typeof(TRow), SchemaDefinition.Direction.Write))
            .Where(column => !ignoreMissingColumns || data.Schema.GetColumnOrNull(column.ColumnName) is not null)
            .Select(column => (Member: new RowMember(typeof(TRow), column.MemberName), Column: data.Schema[column.ColumnName]))
            .ToArray();
        foreach (var (member, column) in columns)
        {
            if (!ColumnTypes.Of(member.Type, member.Name).Equals(column.Type))
                throw new InvalidOperationException($"Column '{column.Name}' of type {column.Type} does not fit member {member.Name} of type {member.Type}.");
        }
        return Read<TRow>(data, columns, reuseRowObject);
    }

    private static IEnumerable<TRow> Read<TRow>(IDataView data, (RowMember Member, DataViewSchema.Column Column)[] columns, bool reuse)
        where TRow : class, new()
    {
        using var cursor = data.GetRowCursor(columns.Select(c => c.Column));
        var setters = Array.ConvertAll(columns, c => c.Member.Setter(cursor, c.Column));
        for (var row = new TRow(); cursor.MoveNext(); row = reuse ? row : new TRow())
        {
            foreach (var set in setters) set(row);
            yield return row;
        }
    }
}
