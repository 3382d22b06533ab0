namespace Microsoft.ML.Nlft.Data;

/// <summary>
/// Reads rows from JSON Lines: UTF-8, one object per line, blank lines skipped, other properties ignored. For example
/// <c>{"Question": "2+2?", "Response": "5", "Judgment": "2+2 is 4, not 5.", "Answer": "4"}</c>; without a judgment the response is right.
/// </summary>
public static class JsonLinesReader
{
    /// <summary>Reads training rows: question, response and answer must be there.</summary>
    /// <param name="path">The file.</param>
    /// <param name="names">Its property names; null: the default ones.</param>
    /// <returns>The rows in order, each with its file and line in <see cref="TrainingExample.Source"/>.</returns>
    /// <exception cref="NlftException">
    /// The first fault: a file that cannot be read, a line that is not a JSON object, a property that is missing, empty or no text.
    /// </exception>
    public static IReadOnlyList<TrainingExample> Read(string path, JsonLinesNames? names = null)
    {
        names = Checked(names);
        return [.. JsonRow.ReadFile(path).Select(row => new TrainingExample
        {
            Question = row.RequiredText(names.Question),
            Response = row.RequiredText(names.Response),
            Judgment = row.OptionalText(names.Judgment),
            Answer = row.RequiredText(names.Answer),
            Instruction = row.OptionalText(names.Instruction),
            Source = row.Place,
        })];
    }

    /// <summary>Reads rows of which only the question must be there: for answering, judging and evaluating. Properties "Id" and "Score" are read, too.</summary>
    /// <param name="path">The file.</param>
    /// <param name="names">Its property names; null: the default ones.</param>
    /// <exception cref="NlftException">As <see cref="Read"/>, for the question alone.</exception>
    public static IReadOnlyList<JsonLinesRow> ReadRows(string path, JsonLinesNames? names = null)
    {
        names = Checked(names);
        return [.. JsonRow.ReadFile(path).Select(row => new JsonLinesRow(
            row.RequiredText(names.Question), row.OptionalText(names.Response), row.OptionalText(names.Judgment), row.OptionalText(names.Answer),
            row.OptionalText(names.Instruction), row.Place) { Id = row.TextOrNumber("Id"), Score = row.OptionalNumber("Score") })];
    }

    private static JsonLinesNames Checked(JsonLinesNames? names)
    {
        names ??= new();
        names.Validate();
        return names;
    }
}
