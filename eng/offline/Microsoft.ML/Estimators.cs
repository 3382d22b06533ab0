// Offline stand-in: estimators, transformers and the shape of a schema before there is data. There is no model zip.

using System.Collections;
using Microsoft.ML.Data;

namespace Microsoft.ML;

/// <summary>Trained by <see cref="Fit"/>.</summary>
public interface IEstimator<out TTransformer>
    where TTransformer : ITransformer
{
    TTransformer Fit(IDataView input);

    SchemaShape GetOutputSchema(SchemaShape inputSchema);
}

/// <summary>Makes one view of another.</summary>
public interface ITransformer : ICanSaveModel
{
    bool IsRowToRowMapper { get; }

    DataViewSchema GetOutputSchema(DataViewSchema inputSchema);

    IDataView Transform(IDataView input);

    IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema);
}

/// <summary>Writes itself into a model zip.</summary>
public interface ICanSaveModel
{
    void Save(ModelSaveContext ctx);
}

/// <summary>Where a model zip is written. Nothing makes one here.</summary>
public sealed class ModelSaveContext : IDisposable
{
    private ModelSaveContext()
    {
    }

    public void Dispose()
    {
    }
}

/// <summary>What an estimator knows of the columns it will see.</summary>
public sealed class SchemaShape : IReadOnlyList<SchemaShape.Column>
{
    private readonly Column[] _columns;

    public SchemaShape(IEnumerable<Column> columns) => _columns = [.. columns];

    public int Count => _columns.Length;

    public Column this[int index] => _columns[index];

    public IEnumerator<Column> GetEnumerator() => ((IEnumerable<Column>)_columns).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>A column's name and type.</summary>
    public struct Column
    {
        public readonly string Name;

        public readonly VectorKind Kind;

        public readonly DataViewType ItemType;

        public readonly bool IsKey;

        public readonly SchemaShape Annotations;

        internal Column(string name, VectorKind kind, DataViewType itemType, bool isKey) =>
            (Name, Kind, ItemType, IsKey, Annotations) = (name, kind, itemType, isKey, new SchemaShape([]));

        /// <summary>One value, a vector of known length, or one of any length.</summary>
        public enum VectorKind
        {
            Scalar,
            Vector,
            VariableVector,
        }
    }
}
