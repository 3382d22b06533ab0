using Microsoft.ML.Data;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Views;

/// <summary>Finds text columns; when one is missing, the message lists the columns that exist.</summary>
internal static class TextColumns
{
    /// <summary>Returns the text column of that name.</summary>
    /// <exception cref="NlftException">There is no such column, or it does not hold one text per row.</exception>
    public static DataViewSchema.Column Find(DataViewSchema schema, string name)
    {
        Check(schema.Where(c => !c.IsHidden).Select(c => new Entry(c.Name, $"{c.Type}", c.Type is TextDataViewType)), name);
        return schema[name];
    }

    /// <summary>Whether a view has a column of that name, or one so near to it that <see cref="Find"/> must say so.</summary>
    public static bool HasOrMisspells(DataViewSchema schema, string name) => schema.GetColumnOrNull(name) is not null
        || NearestName.Misspelt(name, schema.Where(column => !column.IsHidden).Select(column => column.Name)) is not null;

    /// <summary>Makes the same check while a pipeline is built.</summary>
    public static void Check(SchemaShape shape, string name) => Check(shape.Select(c => new Entry(c.Name, Describe(c), IsText(c))), name);

    /// <summary>Returns the name of the first text column; null: there is none.</summary>
    public static string? First(SchemaShape shape) => shape.Where(IsText).Select(column => column.Name).FirstOrDefault();

    private static void Check(IEnumerable<Entry> columns, string name)
    {
        var there = columns.ToList();
        var index = there.FindLastIndex(c => c.Name == name);
        if (index >= 0 && there[index].IsText) return;
        var list = there.Count == 0 ? "none" : string.Join(", ", there.Select(c => $"{c.Name} ({c.Type})"));
        var near = index < 0 && NearestName.Misspelt(name, there.Select(column => column.Name)) is { } other ? $", only \"{other}\"" : "";
        throw new NlftException($"column \"{name}\"", index < 0 ? $"no such column{near}" : $"type {there[index].Type}",
            "a column of type String (one text per row)",
            $"Name the right column in the trainer's or transform's column options, or convert it first. Columns there are: {list}.");
    }

    private static bool IsText(SchemaShape.Column column) =>
        column is { Kind: SchemaShape.Column.VectorKind.Scalar, IsKey: false, ItemType: TextDataViewType };

    private static string Describe(SchemaShape.Column column)
    {
        var item = column.IsKey ? $"Key<{column.ItemType}>" : $"{column.ItemType}";
        return column.Kind == SchemaShape.Column.VectorKind.Scalar ? item : $"{column.Kind}<{item}>";
    }

    private readonly record struct Entry(string Name, string Type, bool IsText);
}
