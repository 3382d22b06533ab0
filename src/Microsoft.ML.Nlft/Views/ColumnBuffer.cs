using System.Reflection;
using Microsoft.ML.Data;

namespace Microsoft.ML.Nlft.Views;

/// <summary>Buffers the values of one column for the rows of a window.</summary>
internal interface IColumnBuffer
{
    /// <summary>Stores the source's current value in a slot.</summary>
    void Read(int slot);
}

/// <summary>A typed <see cref="IColumnBuffer"/>: each slot owns its value, so vectors are copied on the way out.</summary>
internal sealed class ColumnBuffer<TValue>(ValueGetter<TValue> getter, int size) : IColumnBuffer
{
    private readonly TValue[] _slots = new TValue[size];
    private readonly ValueCopier<TValue> _copy = ValueCopier.For<TValue>();

    /// <summary>Creates a buffer; called through reflection with the column's run-time type.</summary>
    public ColumnBuffer(DataViewRow row, DataViewSchema.Column column, int size) : this(row.GetGetter<TValue>(column), size)
    {
    }

    public void Read(int slot) => getter(ref _slots[slot]);

    public void Write(int slot, ref TValue value) => _copy(in _slots[slot], ref value);
}

/// <summary>Creates buffers for columns whose type is known only at run time.</summary>
internal static class ColumnBuffer
{
    public static IColumnBuffer Create(DataViewRow row, DataViewSchema.Column column, int size) => (IColumnBuffer)Activator.CreateInstance(
        typeof(ColumnBuffer<>).MakeGenericType(column.Type.RawType), BindingFlags.Public | BindingFlags.Instance | BindingFlags.DoNotWrapExceptions,
        binder: null, [row, column, size], culture: null)!;
}

/// <summary>Copies a buffered value to a consumer, which may overwrite what it points to.</summary>
internal delegate void ValueCopier<TValue>(in TValue source, ref TValue destination);

/// <summary>Chooses a <see cref="ValueCopier{TValue}"/>: an assigned vector would share its arrays; any other value can be assigned.</summary>
internal static class ValueCopier
{
    public static ValueCopier<TValue> For<TValue>()
    {
        var type = typeof(TValue);
        if (!type.IsGenericType || type.GetGenericTypeDefinition() != typeof(VBuffer<>))
            return static (in source, ref destination) => destination = source;
        return typeof(ValueCopier).GetMethod(nameof(CopyVector), BindingFlags.Static | BindingFlags.NonPublic)!
            .MakeGenericMethod(type.GetGenericArguments()).CreateDelegate<ValueCopier<TValue>>();
    }

    /// <summary>Copies a vector into the consumer's own arrays.</summary>
    private static void CopyVector<TItem>(in VBuffer<TItem> source, ref VBuffer<TItem> destination) => source.CopyTo(ref destination);
}
