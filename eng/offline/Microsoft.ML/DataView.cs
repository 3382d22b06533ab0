// Offline stand-in: lazy tables and the rows that cursors walk over.

using Microsoft.ML.Data;

namespace Microsoft.ML
{
    /// <summary>A lazy table: a schema and cursors over its rows.</summary>
    public interface IDataView
    {
        bool CanShuffle { get; }

        DataViewSchema Schema { get; }

        long? GetRowCount();

        DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random rand = null);

        DataViewRowCursor[] GetRowCursorSet(IEnumerable<DataViewSchema.Column> columnsNeeded, int n, Random rand = null);
    }

    /// <summary>Writes the current row's value of a column.</summary>
    public delegate void ValueGetter<TValue>(ref TValue value);

    /// <summary>A row: getters bound once, values read whenever the row changes.</summary>
    public abstract class DataViewRow : IDisposable
    {
        private bool _disposed;

        public abstract long Position { get; }

        public abstract long Batch { get; }

        public abstract DataViewSchema Schema { get; }

        public abstract ValueGetter<DataViewRowId> GetIdGetter();

        public abstract bool IsColumnActive(DataViewSchema.Column column);

        public abstract ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column);

        public void Dispose()
        {
            if (_disposed) return;
            _disposed = true;
            Dispose(true);
            GC.SuppressFinalize(this);
        }

        protected virtual void Dispose(bool disposing)
        {
        }
    }

    /// <summary>A row that moves.</summary>
    public abstract class DataViewRowCursor : DataViewRow
    {
        public abstract bool MoveNext();
    }
}

namespace Microsoft.ML.Data
{
    /// <summary>128 bits that tell a row from the others of its view.</summary>
    public readonly struct DataViewRowId : IComparable<DataViewRowId>, IEquatable<DataViewRowId>
    {
        public readonly ulong Low;

        public readonly ulong High;

        public DataViewRowId(ulong low, ulong high) => (Low, High) = (low, high);

        public int CompareTo(DataViewRowId other) => (High, Low).CompareTo((other.High, other.Low));

        public bool Equals(DataViewRowId other) => (Low, High) == (other.Low, other.High);

        public override bool Equals(object obj) => obj is DataViewRowId other && Equals(other);

        public override int GetHashCode() => HashCode.Combine(Low, High);

        public override string ToString() => $"{High:x16}{Low:x16}";
    }

    /// <summary>One row of a view as a function of one row of another.</summary>
    public interface IRowToRowMapper
    {
        DataViewSchema InputSchema { get; }

        DataViewSchema OutputSchema { get; }

        IEnumerable<DataViewSchema.Column> GetDependencies(IEnumerable<DataViewSchema.Column> dependingColumns);

        DataViewRow GetRow(DataViewRow input, IEnumerable<DataViewSchema.Column> activeColumns);
    }

    /// <summary>Reads a column into a sequence.</summary>
    public static class ColumnCursorExtensions
    {
        public static IEnumerable<T> GetColumn<T>(this IDataView data, string columnName) => GetColumn<T>(data, data.Schema[columnName]);

        public static IEnumerable<T> GetColumn<T>(this IDataView data, DataViewSchema.Column column)
        {
            if (typeof(T) == typeof(string)) return (IEnumerable<T>)Read<ReadOnlyMemory<char>>(data, column).Select(text => text.ToString());
            return Read<T>(data, column);
        }

        private static IEnumerable<T> Read<T>(IDataView data, DataViewSchema.Column column)
        {
            using var cursor = data.GetRowCursor([column]);
            var getter = cursor.GetGetter<T>(column);
            while (cursor.MoveNext())
            {
                T value = default;
                getter(ref value);
                yield return value;
            }
        }
    }
}
