using System.Text;
using System.Text.Json.Nodes;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Data;

/// <summary>Writes rows as JSON Lines: atomically to a file, or to standard output.</summary>
internal static class RowWriter
{
    /// <summary>Writes rows to the file, or to standard output without one. In a job of several processes, only the first writes a file.</summary>
    /// <param name="console">The console.</param>
    /// <param name="path">The file; null: standard output.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="options">The names of the keys.</param>
    /// <param name="journal">The journal of the run, deleted once the file is written; null: none.</param>
    /// <param name="results">Further keys of a row, by its index from 0; null: none.</param>
    public static void WriteTo(ToolConsole console, string? path, IReadOnlyList<DataRow> rows, ToolOptions options, string? journal = null,
        Func<int, IEnumerable<(string Name, JsonNode? Value)>>? results = null)
    {
        void WriteRows(Stream stream) => DataFile.WriteJsonLines(stream, rows, options.Columns, results);
        if (path is null)
        {
            using var stream = new MemoryStream();
            WriteRows(stream);
            console.Out.Write(Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length));
            return;
        }
        console.Communicator.OnFirst($"writing {path}", () =>
        {
            AtomicFile.Write(console.PathOf(path), WriteRows);
            if (journal is not null) File.Delete(journal);
        });
    }

    /// <summary>Writes lines to a file.</summary>
    /// <exception cref="NlftException">The disk is full or the path cannot be written; the file is unchanged.</exception>
    public static void Write(string path, IEnumerable<string> lines) => AtomicFile.Write(path, stream =>
    {
        foreach (var line in lines) stream.Write(Encoding.UTF8.GetBytes(line + "\n"));
    });
}
