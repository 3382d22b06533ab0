using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Data;

/// <summary>Refuses a column or key whose name is almost that of a column that is not there: it would be ignored without a word.</summary>
internal sealed class ColumnCheck
{
    private readonly (string? Property, string Name)[] _expected;
    private readonly HashSet<string> _others = new(StringComparer.OrdinalIgnoreCase); // names that are near to none

    /// <summary>Creates a check of columns that the caller can name.</summary>
    public ColumnCheck(DataColumns columns) => _expected =
    [
        (nameof(columns.Question), columns.Question), (nameof(columns.Response), columns.Response), (nameof(columns.Judgment), columns.Judgment),
        (nameof(columns.Answer), columns.Answer), (nameof(columns.Instruction), columns.Instruction),
    ];

    /// <summary>Creates a check of the keys of NLFT's published rows, which instructions (alpaca) share.</summary>
    public static ColumnCheck OfPublished() => new("instruction", "input", "output", "judgment", "answer");

    /// <summary>Creates a check of the fixed keys of a layout.</summary>
    public ColumnCheck(params string[] keys) => _expected = [.. keys.Select(key => ((string?)null, key))];

    /// <summary>Checks the names of a header or of one row.</summary>
    /// <param name="place">The header or the row, for messages.</param>
    /// <param name="names">Its columns or keys.</param>
    /// <exception cref="NlftException">A name is almost an expected one.</exception>
    public void Require(string place, IReadOnlyCollection<string> names)
    {
        HashSet<string>? all = null;
        foreach (var name in names)
        {
            if (_others.Contains(name)) continue;
            var near = _expected.FirstOrDefault(expected => NearestName.IsMisspelt(expected.Name, name));
            if (near.Name is null)
            {
                _others.Add(name);
            }
            else if (!(all ??= new(names, StringComparer.OrdinalIgnoreCase)).Contains(near.Name))
            {
                var option = near.Property is not { } property ? ""
                    : $", or set DataColumns.{property} to it (nlft: --column-{property.ToLowerInvariant()} \"{name}\")";
                throw new NlftException(place, $"the name \"{name}\"", $"\"{near.Name}\"", $"Rename it{option}.");
            }
        }
    }
}
