// Offline stand-in: how the members of a row class become columns.

using System.Reflection;

namespace Microsoft.ML.Data;

/// <summary>The column name of a member, when it is not the member's own.</summary>
[AttributeUsage(AttributeTargets.Field | AttributeTargets.Property, AllowMultiple = false, Inherited = true)]
public sealed class ColumnNameAttribute : Attribute
{
    public ColumnNameAttribute(string name) => Name = name;

    internal string Name { get; }
}

/// <summary>A member that is no column.</summary>
[AttributeUsage(AttributeTargets.Field | AttributeTargets.Property, AllowMultiple = false, Inherited = true)]
public sealed class NoColumnAttribute : Attribute
{
}

/// <summary>The columns of a row class: its public fields and properties.</summary>
public sealed class SchemaDefinition : List<SchemaDefinition.Column>
{
    private SchemaDefinition()
    {
    }

    public static SchemaDefinition Create(Type userType, Direction direction = Direction.Both)
    {
        ArgumentNullException.ThrowIfNull(userType);
        var definition = new SchemaDefinition();
        foreach (var member in RowMember.Of(userType, direction)) definition.Add(new Column(member));
        return definition;
    }

    /// <summary>Whether rows are read, written, or both.</summary>
    [Flags]
    public enum Direction
    {
        Read = 1,
        Write = 2,
        Both = Read | Write,
    }

    /// <summary>A member and the column it stands for.</summary>
    public sealed class Column
    {
        internal Column(RowMember member) => (MemberName, ColumnName, ColumnType) = (member.Name, member.ColumnName, ColumnTypes.Of(member.Type, member.Name));

        public string MemberName { get; }

        public string ColumnName { get; set; }

        public DataViewType ColumnType { get; set; }
    }
}

/// <summary>A public field or property of a row class.</summary>
internal sealed class RowMember
{
    private readonly MemberInfo _member;

    public RowMember(Type rowType, string name) : this((MemberInfo)rowType.GetProperty(name) ?? rowType.GetField(name))
    {
    }

    private RowMember(MemberInfo member) => _member = member;

    public static IEnumerable<RowMember> Of(Type rowType, SchemaDefinition.Direction direction)
    {
        var read = direction.HasFlag(SchemaDefinition.Direction.Read);
        var write = direction.HasFlag(SchemaDefinition.Direction.Write);
        var fields = rowType.GetFields(BindingFlags.Public | BindingFlags.Instance).Where(f => !write || !f.IsInitOnly);
        var properties = rowType.GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Where(p => p.GetIndexParameters().Length == 0 && (!read || p.GetMethod is { IsPublic: true }) && (!write || p.SetMethod is { IsPublic: true }));
        return fields.Concat<MemberInfo>(properties).Where(m => !m.IsDefined(typeof(NoColumnAttribute), true)).Select(m => new RowMember(m));
    }

    public string Name => _member.Name;

    public string ColumnName => _member.GetCustomAttribute<ColumnNameAttribute>()?.Name ?? Name;

    public Type Type => _member is PropertyInfo property ? property.PropertyType : ((FieldInfo)_member).FieldType;

    /// <summary>A column's values of the row that <paramref name="current"/> gives; null texts are empty.</summary>
    public Delegate Getter(Func<object> current)
    {
        if (Type == typeof(string)) return (ValueGetter<ReadOnlyMemory<char>>)((ref ReadOnlyMemory<char> value) => value = ((string)Get(current())).AsMemory());
        return (Delegate)Generic(nameof(TypedGetter)).Invoke(this, [current]);
    }

    /// <summary>Copies a column's current value into a row object.</summary>
    public Action<object> Setter(DataViewRow source, DataViewSchema.Column column)
    {
        if (Type != typeof(string)) return (Action<object>)Generic(nameof(TypedSetter)).Invoke(this, [source, column]);
        var getter = source.GetGetter<ReadOnlyMemory<char>>(column);
        ReadOnlyMemory<char> text = default;
        return row =>
        {
            getter(ref text);
            Set(row, text.ToString());
        };
    }

    private ValueGetter<T> TypedGetter<T>(Func<object> current) => (ref T value) => value = (T)Get(current());

    private Action<object> TypedSetter<T>(DataViewRow source, DataViewSchema.Column column)
    {
        var getter = source.GetGetter<T>(column);
        T value = default;
        return row =>
        {
            getter(ref value);
            Set(row, value);
        };
    }

    private MethodInfo Generic(string name) => typeof(RowMember).GetMethod(name, BindingFlags.NonPublic | BindingFlags.Instance).MakeGenericMethod(Type);

    private object Get(object row) => _member is PropertyInfo property ? property.GetValue(row) : ((FieldInfo)_member).GetValue(row);

    private void Set(object row, object value)
    {
        if (_member is PropertyInfo property) property.SetValue(row, value);
        else ((FieldInfo)_member).SetValue(row, value);
    }
}
