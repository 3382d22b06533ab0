using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Views;

namespace Microsoft.ML.Nlft;

public sealed partial class NlftCatalog
{
    /// <summary>
    /// Reads rows from a JSON Lines file: text columns Question, Response, Judgment, Answer and Instruction, whatever the file calls them.
    /// </summary>
    /// <param name="path">UTF-8, one JSON object per line. Only the question must be there; what is missing or null becomes an empty text.</param>
    /// <param name="names">The property names in the file; null: the column names, in upper or lower case.</param>
    /// <returns>The rows, read at once and kept in memory.</returns>
    /// <exception cref="NlftException">The file is missing, or a line is not a JSON object with texts: the message names the line.</exception>
    public IDataView LoadFromJsonLines(string path, JsonLinesNames? names = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return _mlContext.Data.LoadFromEnumerable(JsonLinesReader.ReadRows(path, names).Select(row => new TextColumnsRow(row)).ToList());
    }
}
