using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft;

public sealed partial class NlftCatalog
{
    /// <summary>Reads rows from a JSON Lines file, whatever its extension: short for <see cref="NlftDataCatalog.Load"/> with that format.</summary>
    /// <param name="path">
    /// The file: UTF-8, one JSON object per line. Only the question is required; other keys that are missing or null become empty texts.
    /// </param>
    /// <param name="columns">The keys in the file; null: the column names, in upper or lower case.</param>
    /// <returns>The rows, read immediately and kept in memory.</returns>
    /// <exception cref="NlftException">The file is missing, or a line is not a JSON object with texts: the message names the line.</exception>
    public IDataView LoadFromJsonLines(string path, DataColumns? columns = null) => Data.Load(path, RowFormat.JsonLines, columns);
}
