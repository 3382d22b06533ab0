using System.Text;
using System.Text.Json;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Feedback;

/// <summary>
/// Keeps the results of a long run, one per line, appended and flushed as they come, so that a killed run resumes where it stopped. The first line
/// names the run; a line that was cut off is dropped. Without a path nothing is kept.
/// </summary>
/// <typeparam name="T">A result: <see cref="FeedbackJson"/> lists its entry.</typeparam>
internal sealed class Journal<T> : IDisposable
{
    private readonly Lock _lock = new();
    private readonly string? _path;
    private readonly FileStream? _file;
    private readonly Dictionary<int, JournalEntry<T>> _done = [];

    /// <summary>Opens a journal, or creates one.</summary>
    /// <param name="path">The file; null: nothing is kept.</param>
    /// <param name="run">Names the run: the journal of a run with another name is refused.</param>
    /// <exception cref="NlftException">The file belongs to another run, is no journal, or is in use.</exception>
    public Journal(string? path, string run)
    {
        if ((_path = path) is null) return;
        OutputFile.Require(path!);
        try
        {
            var folder = Path.GetDirectoryName(Path.GetFullPath(path!))!;
            PosixFile.CreateFolder(folder);
            var isNew = !File.Exists(path);
            _file = new FileStream(path!, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read, bufferSize: 0);
            if (isNew) PosixFile.SyncFolder(folder);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new NlftException(path!, $"a file that cannot be opened ({error.Message})", "a journal that no other run uses",
                "Wait for the other run, or name another file.", error);
        }
        try
        {
            Resume(run);
        }
        catch (Exception error)
        {
            _file.Dispose();
            if (WriteFault.Of(path!, error) is { } fault) throw fault;
            throw;
        }
    }

    /// <summary>Number of results.</summary>
    public int Count => _done.Count;

    /// <summary>Gets the result of a row, if there is one yet.</summary>
    /// <param name="index">The row's place, from 0.</param>
    /// <param name="row">Identifies the row: the result at that place must be of the same row.</param>
    /// <param name="result">The result.</param>
    /// <exception cref="NlftException">The journal has the result of another row at that place.</exception>
    public bool TryGet(int index, string row, out T result)
    {
        lock (_lock)
        {
            var found = _done.TryGetValue(index, out var entry);
            result = found ? entry!.Result : default!;
            if (found && entry!.Row != row)
            {
                throw new NlftException($"{_path}, result {index}", "the result of another row", "the rows that the run began with",
                    "Resume with the same rows in the same order, or delete the file to start again.");
            }
            return found;
        }
    }

    /// <summary>Adds a result; it is on the disk when this returns.</summary>
    public void Append(int index, string row, T result) => Append([(index, row, result)]);

    /// <summary>Adds results; they are on the disk when this returns.</summary>
    /// <exception cref="NlftException">The disk is full; the results before them are kept.</exception>
    public void Append(IEnumerable<(int Index, string Row, T Result)> results)
    {
        if (_file is null) return;
        lock (_lock)
        {
            var lines = new StringBuilder();
            foreach (var (index, row, result) in results)
            {
                var entry = new JournalEntry<T>(index, row, result);
                if (_done.TryAdd(index, entry)) lines.Append(LineOf(entry));
            }
            Write(lines.ToString());
        }
    }

    /// <summary>Closes and deletes the file.</summary>
    public void Delete()
    {
        Dispose();
        if (_path is not null) File.Delete(_path);
    }

    /// <inheritdoc/>
    public void Dispose() => _file?.Dispose();

    private void Resume(string run)
    {
        var bytes = new byte[checked((int)_file!.Length)];
        _file.ReadExactly(bytes);
        var kept = 0;
        for (var line = 1; bytes.AsSpan(kept).IndexOf((byte)'\n') is var length and >= 0; line++)
        {
            var text = bytes.AsSpan(kept, length);
            if (line == 1) RequireRun(text, run);
            else if (Parse<JournalEntry<T>>(text) is { Row: not null, Result: not null } entry) _done.TryAdd(entry.Index, entry);
            else break; // the disk lost the rest: those rows are repeated
            kept += length + 1;
        }
        if (kept < bytes.Length) _file.SetLength(kept);
        _file.Position = kept;
        if (kept == 0) Write(LineOf(new JournalBeginning(run)));
    }

    private void RequireRun(ReadOnlySpan<byte> line, string run)
    {
        if (Parse<JournalBeginning>(line)?.Run is not { } found)
        {
            throw new NlftException(_path!, "no journal", "the journal of an interrupted run, or no file",
                "Name another file: this one would be overwritten.");
        }
        if (found != run)
        {
            throw new NlftException(_path!, $"an interrupted run of {found}", run,
                "Resume with the options and the model that it began with, or delete the file to start again.");
        }
    }

    /// <summary>Returns a line as the library wrote it, or null.</summary>
    private static TLine? Parse<TLine>(ReadOnlySpan<byte> line)
        where TLine : class
    {
        try
        {
            return JsonFile.Parse(line, new("journal")).Deserialize(FeedbackJson.Readable.Of<TLine>());
        }
        catch (NlftException)
        {
            return null;
        }
    }

    private static string LineOf<TLine>(TLine line) => JsonSerializer.Serialize(line, FeedbackJson.Readable.Of<TLine>()) + "\n";

    private void Write(string lines)
    {
        try
        {
            _file!.Write(Encoding.UTF8.GetBytes(lines));
            _file.Flush(flushToDisk: true);
        }
        catch (IOException e) when (WriteFault.Of(_path!, e) is { } fault)
        {
            throw fault; // a line that was cut off is dropped when the run resumes
        }
    }
}
