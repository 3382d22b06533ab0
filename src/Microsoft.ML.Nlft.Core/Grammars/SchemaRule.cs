namespace Microsoft.ML.Nlft.Grammars;

/// <summary>The types of JSON values, as JSON Schema names them.</summary>
[Flags]
internal enum JsonTypes
{
    None = 0,
    Null = 1,
    Boolean = 2,
    Integer = 4,
    Number = 8,
    String = 16,
    Array = 32,
    Object = 64,
    All = Null | Boolean | Number | String | Array | Object,
}

/// <summary>
/// One schema, read: the values it allows are those of its types, its listed values and those of its alternatives. Other schemas are named by their
/// number.
/// </summary>
internal sealed class SchemaRule
{
    /// <summary>The types whose values are allowed, within the limits below.</summary>
    public JsonTypes Types { get; set; }

    /// <summary>Schemas whose values are allowed too: those of anyOf, or the one of $ref.</summary>
    public IReadOnlyList<int> Alternatives { get; set; } = [];

    /// <summary>Whether exactly one of the alternatives may allow a value.</summary>
    public bool OneAlternative { get; set; }

    /// <summary>Values that are allowed.</summary>
    public IReadOnlyList<ListedValue> Values { get; set; } = [];

    /// <summary>Length of a string in characters.</summary>
    public int MinimumLength { get; set; }

    /// <summary>See <see cref="MinimumLength"/>.</summary>
    public int MaximumLength { get; set; } = ExpressionSet.Unlimited;

    /// <summary>Bounds of a number; null: none.</summary>
    public NumberBounds? Bounds { get; set; }

    /// <summary>Schemas of the first items of an array.</summary>
    public IReadOnlyList<int> FirstItems { get; set; } = [];

    /// <summary>The schema of the other items.</summary>
    public int Items { get; set; }

    /// <summary>Number of items.</summary>
    public int MinimumItems { get; set; }

    /// <summary>See <see cref="MinimumItems"/>.</summary>
    public int MaximumItems { get; set; } = ExpressionSet.Unlimited;

    /// <summary>The members of an object in their order.</summary>
    public IReadOnlyList<SchemaProperty> Properties { get; set; } = [];

    /// <summary>The schema of members with other names.</summary>
    public int OtherProperties { get; set; }

    /// <summary>The least number of arrays and objects inside one another; <see cref="SchemaRules.NoDepth"/>: no value is valid.</summary>
    public int Depth { get; set; } = SchemaRules.NoDepth;
}

/// <summary>A member that a schema names.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Schema">The schema of its value.</param>
/// <param name="IsRequired">Whether every object has it.</param>
internal sealed record SchemaProperty(string Name, int Schema, bool IsRequired);

/// <summary>A value of enum or const.</summary>
/// <param name="Type">Its type; Integer for whole numbers.</param>
/// <param name="Spellings">Its JSON text, in every way in which it may be written.</param>
/// <param name="Depth">The number of its arrays and objects, one inside the other.</param>
internal sealed record ListedValue(JsonTypes Type, IReadOnlyList<byte[]> Spellings, int Depth);

/// <summary>The least and the greatest number, each inclusive or exclusive.</summary>
internal sealed record NumberBounds(decimal Least, bool IsLeastExcluded, decimal Most, bool IsMostExcluded)
{
    /// <summary>The most digits of a bounded number.</summary>
    public const long Limit = 1_000_000_000_000_000;

    /// <summary>Returns the bounds in units of the last of some decimals.</summary>
    public (long Least, long Most) InUnits(int decimals)
    {
        var unit = (decimal)Math.Pow(10, decimals);
        var (least, most) = (decimal.Ceiling(Least * unit), decimal.Floor(Most * unit));
        if (IsLeastExcluded && least == Least * unit) least++;
        if (IsMostExcluded && most == Most * unit) most--;
        return ((long)decimal.Clamp(least, -Limit + 1, Limit), (long)decimal.Clamp(most, -Limit, Limit - 1));
    }
}

/// <summary>All schemas of a document.</summary>
/// <param name="Rules">The schemas by number.</param>
/// <param name="Root">The schema of the whole value.</param>
internal sealed record SchemaRules(IReadOnlyList<SchemaRule> Rules, int Root)
{
    /// <summary>The schema that allows every value, and the one that allows none.</summary>
    public const int Any = 0, None = 1;

    /// <summary>The most arrays and objects, one inside the other.</summary>
    public const int MaximumDepth = 32;

    /// <summary>Stands for a depth that no value has.</summary>
    public const int NoDepth = int.MaxValue / 2;
}
