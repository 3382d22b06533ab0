namespace Microsoft.ML.Nlft.Tool.Projects;

/// <summary>A column of the rows, as a property of the project's ModelInput.</summary>
/// <param name="Name">The column's name in ML.NET.</param>
/// <param name="Property">The property's name in C#.</param>
/// <param name="Index">The column's place in a line of the file, from 0; null: the file is read by names.</param>
internal sealed record ProjectColumn(string Name, string Property, int? Index)
{
    /// <summary>Whether the column or its property has a name, in any case.</summary>
    public bool Has(string name) =>
        Name.Equals(name, StringComparison.OrdinalIgnoreCase) || Property.Equals(name, StringComparison.OrdinalIgnoreCase);

    /// <summary>Names the properties of columns, each in its own way.</summary>
    public static IReadOnlyList<ProjectColumn> Of(IEnumerable<(string Name, int? Index)> columns)
    {
        var properties = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        var all = new List<ProjectColumn>();
        foreach (var (name, index) in columns)
        {
            var property = CSharpText.Identifier(name, "Column");
            var free = property;
            for (var number = 2; !properties.Add(free); number++) free = $"{property}{number}";
            all.Add(new(name, free, index));
        }
        return all;
    }
}
