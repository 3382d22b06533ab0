using System.Text.Json;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Data;

/// <summary>
/// Reads rows to train on in the layouts that people have them in: NLFT rows; questions and answers; prompts and completions; instructions (alpaca);
/// messages (OpenAI); conversations (ShareGPT); plain text. The columns say which one it is.
/// </summary>
/// <example>
/// <code>
/// var rows = TrainingFile.Read("chats.jsonl");
/// Console.WriteLine($"{rows.Rows.Count} rows read as {rows.Layout}");
/// model.FineTune(rows.Examples(), rows.IsSupervised ? new LikelihoodObjective() : new NaturalLanguageObjective());
/// </code>
/// </example>
public static class TrainingFile
{
    /// <summary>Reads all rows of a .jsonl, .json, .csv or .tsv file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="supervised">
    /// Whether the rows are for supervised fine-tuning; null: as the layout says. NLFT rows are not, unless none has a judgment, and responses or
    /// answers are missing altogether.
    /// </param>
    /// <param name="columns">The names of the columns of NLFT rows; if given, the rows are of that layout. Null: the default ones.</param>
    /// <param name="delimiter">What separates the fields of CSV or TSV; null: a comma or a tab.</param>
    /// <exception cref="NlftException">
    /// The columns fit no layout or several, the rows do not fit <paramref name="supervised"/>, or the first fault of a row, with file and line.
    /// </exception>
    public static TrainingRows Read(string path, bool? supervised = null, DataColumns? columns = null, char? delimiter = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        columns ??= new();
        columns.Validate();
        var layout = LayoutOf(DataFile.ColumnNames(path, delimiter, out var isList), path, columns);
        return layout.Kind is not (LayoutKind.Rows or LayoutKind.Questions) || isList
            ? Of(layout, DataFile.Objects(path, delimiter), path, supervised, columns)
            : Filled(layout, DataFile.Read(path, null, columns, delimiter), supervised,
                required => DataFile.Read(path, null, columns, delimiter, required));
    }

    /// <summary>Whether a file has a layout that <see cref="DataFile"/> does not read: instructions, chats, completions or text.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="NlftException">The file cannot be read, or its columns fit no layout or several.</exception>
    public static bool IsOnlyForTraining(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        return LayoutOf(DataFile.ColumnNames(path, null, out _), path, new()).Kind >= LayoutKind.Instructions;
    }

    /// <summary>Reads rows from objects, for example those of a database or of a file format of your own.</summary>
    /// <param name="rows">The rows: JSON objects with the columns as names, each with its place for messages.</param>
    /// <param name="place">Where the rows come from.</param>
    /// <param name="supervised">As for <see cref="Read"/>.</param>
    /// <param name="columns">As for <see cref="Read"/>.</param>
    /// <exception cref="NlftException">As for <see cref="Read"/>.</exception>
    public static TrainingRows Of(
        IReadOnlyList<(JsonElement Row, string Place)> rows, string place, bool? supervised = null, DataColumns? columns = null)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(place);
        columns ??= new();
        columns.Validate();
        if (rows.Count == 0) throw new NlftException(place, "no row", "one row or more", "Check the file or the filters that come before.");
        JsonPlace[] objects = [.. rows.Select(row => new JsonPlace(row.Row, new JsonSource(row.Place)))];
        string[] names = [.. objects.SelectMany(row => row.Members()).Where(member => !member.Value.IsNull).Select(member => member.Name).Distinct()];
        return Of(RowLayout.Of(names, place, columns), objects, place, supervised, columns);
    }

    /// <summary>Recognises a file's layout. One column with a separator in its name has another delimiter: the reader of rows says so.</summary>
    private static RowLayout LayoutOf(string[] names, string path, DataColumns columns) =>
        RowLayout.Of(names is [var name] && name.AsSpan().IndexOfAny(";\t,") >= 0 ? [columns.Question] : names, path, columns);

    private static TrainingRows Of(RowLayout layout, IEnumerable<JsonPlace> objects, string place, bool? supervised, DataColumns columns)
    {
        var check = layout.IsChat ? null : layout.Kind is LayoutKind.Published or LayoutKind.Instructions ? ColumnCheck.OfPublished()
            : new ColumnCheck(columns);
        var fields = objects.Select(row =>
        {
            var one = new JsonFields(row);
            check?.Require(one.Place, one.Keys);
            return one;
        });
        if (layout.IsChat && supervised != false)
        {
            List<DataRow> chats = [.. fields.Select(row => ChatRowReader.Read(layout, row))];
            var name = layout.Kind != LayoutKind.Completions ? layout.Name
                : chats[0].Chat!.Messages.Count > 0 ? "chat rows: prompt and completion"
                : "text rows: prompt and completion, without the chat template";
            return new TrainingRows { Layout = name, IsSupervised = true, Rows = chats };
        }
        if (layout.IsChat)
        {
            throw new NlftException(place, $"{layout.Name}, which have no judged responses",
                "rows with a question, a response and a gold answer, which natural language fine-tuning reads",
                "Train with supervised fine-tuning (nlft: --method sft), or generate and judge responses first.");
        }
        if (layout.Kind is LayoutKind.Published or LayoutKind.Instructions)
        {
            var isSupervised = supervised ?? layout.Kind == LayoutKind.Instructions;
            List<DataRow> published = [.. fields.Select(row => WithResponse(JsonFormat.ReadPublished(row, answers: !isSupervised)))];
            return new TrainingRows { Layout = layout.Name, IsSupervised = isSupervised, Rows = published };
        }
        var all = fields.ToList();
        return Filled(layout, [.. all.Select(row => JsonFormat.ReadLine(row, columns, []))], supervised,
            required => [.. all.Select(row => JsonFormat.ReadLine(row, columns, required))]);
    }

    /// <summary>Decides how NLFT rows are trained on. Of questions and answers, the answer is what the model should write.</summary>
    /// <param name="layout">The layout.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="supervised">As for <see cref="Read"/>.</param>
    /// <param name="again">Reads the rows again and requires some of their texts.</param>
    private static TrainingRows Filled(
        RowLayout layout, IReadOnlyList<DataRow> rows, bool? supervised, Func<IReadOnlyList<string>, IReadOnlyList<DataRow>> again)
    {
        var (responses, answers) = (rows.Any(row => row.Response is not null), rows.Any(row => row.Answer is not null));
        var isSupervised = supervised ?? (rows.All(row => row.Judgment is null) && responses != answers);
        if (isSupervised && !responses && answers && rows.All(row => row.Judgment is null))
            rows = [.. rows.Select(row => row with { Response = row.Answer ?? "" })];
        else if (responses)
            rows = [.. rows.Select(WithResponse)];
        string[] required = isSupervised ? [nameof(DataRow.Response)] : [nameof(DataRow.Response), nameof(DataRow.Answer)];
        if (rows.Any(row => row.Response is null || (!isSupervised && row.Answer is null))) rows = again(required);
        return new TrainingRows { Layout = layout.Name, IsSupervised = isSupervised, Rows = rows };
    }

    /// <summary>Returns a row whose missing response is a blank one, among rows that have responses: a run counts those rows.</summary>
    private static DataRow WithResponse(DataRow row) => row with { Response = row.Response ?? "" };
}
