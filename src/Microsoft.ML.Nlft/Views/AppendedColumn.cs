using Microsoft.ML.Data;

namespace Microsoft.ML.Nlft.Views;

/// <summary>A column that is computed from text columns of the same row and appended to them.</summary>
/// <typeparam name="T">Representation type of <paramref name="Type"/>.</typeparam>
/// <param name="Name">Name of the new column.</param>
/// <param name="Type">Its type.</param>
/// <param name="Inputs">Names of the text columns that <paramref name="Compute"/> reads.</param>
/// <param name="BatchSize">Most rows per batch, 1 or more.</param>
/// <param name="Compute">Computes one value per row, in order; several threads call it when several cursors are open.</param>
internal sealed record AppendedColumn<T>(
    string Name, PrimitiveDataViewType Type, IReadOnlyList<string> Inputs, int BatchSize, Func<IReadOnlyList<TextRow>, IReadOnlyList<T>> Compute)
{
    /// <summary>Whether rows must arrive in the order of their view, because values are looked up by position.</summary>
    public bool InOrder { get; init; }
}

/// <summary>The input texts of one row.</summary>
/// <param name="Position">Position of the row in its view, from 0; negative when it belongs to none.</param>
/// <param name="Texts">One text per input column.</param>
internal readonly record struct TextRow(long Position, string[] Texts)
{
    /// <summary>The row's name in messages, counted from 1.</summary>
    public string Name => Position < 0 ? "row" : $"row {Position + 1}";
}

/// <summary>Reads the input texts of the row that <paramref name="row"/> is on.</summary>
internal sealed class TextRowReader(DataViewRow row, IEnumerable<int> columns)
{
    private readonly ValueGetter<ReadOnlyMemory<char>>[] _getters = [.. columns.Select(i => row.GetGetter<ReadOnlyMemory<char>>(row.Schema[i]))];

    public TextRow Read()
    {
        var texts = new string[_getters.Length];
        ReadOnlyMemory<char> text = default;
        for (var i = 0; i < texts.Length; i++)
        {
            _getters[i](ref text);
            texts[i] = text.ToString();
        }
        return new TextRow(row.Position, texts);
    }
}
