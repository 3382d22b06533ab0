using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Tests.Data;

[TestClass]
public sealed class JsonLinesTests
{
    private const string Good = """{"Question": "2+2?", "Response": "5", "Judgment": "2+2 is 4.", "Answer": "4", "Instruction": "Add."}""";

    private readonly TemporaryFolder _folder = new();

    private string FilePath => Path.Combine(_folder.Path, "rows.jsonl");

    [TestCleanup]
    public void Clean() => _folder.Dispose();

    [TestMethod]
    public void ReadExamples_Rows_ComeWithFileAndLine()
    {
        var path = _folder.Write("rows.jsonl", Good + "\n\n  \t\r\n" + """{"answer": "4", "RESPONSE": "4", "question": "2+2?", "extra": [1]}"""
            + "\r\n");
        var rows = DataFile.ReadExamples(path);

        Assert.HasCount(2, rows);
        Assert.AreEqual(new TrainingExample { Question = "2+2?", Response = "5", Judgment = "2+2 is 4.", Answer = "4", Instruction = "Add.",
            Source = $"{path}, line 1" }, rows[0]);
        Assert.AreEqual(new TrainingExample { Question = "2+2?", Response = "4", Answer = "4", Source = $"{path}, line 4" }, rows[1]);
        Assert.AreEqual((Polarity.Incorrect, Polarity.Correct), (rows[0].Polarity, rows[1].Polarity));
    }

    [TestMethod]
    [DataRow("null")]
    [DataRow("\"\"")]
    [DataRow("\" \\n\"")]
    public void ReadExamples_BlankJudgment_MeansARightResponse(string judgment)
    {
        var rows = DataFile.ReadExamples(_folder.Write("rows.jsonl",
            $$"""{"Question": "q", "Response": "r", "Judgment": {{judgment}}, "Answer": "a"}"""));
        Assert.AreEqual((Polarity.Correct, null), (rows[0].Polarity, rows[0].Judgment));
    }

    [TestMethod]
    public void ReadExamples_ByteOrderMark_IsSkipped() =>
        Assert.AreEqual("2+2?", DataFile.ReadExamples(_folder.Write("rows.jsonl", "\uFEFF" + Good)).Single().Question);

    [TestMethod]
    public void ReadExamples_OtherColumns_AreRead()
    {
        var path = _folder.Write("rows.jsonl", """{"prompt": "q", "completion": "r", "Answer": "a"}""");
        var row = DataFile.ReadExamples(path, columns: new() { Question = "prompt", Response = "Completion" }).Single();
        Assert.AreEqual(("q", "r"), (row.Question, row.Response));
    }

    [TestMethod]
    public void Read_QuestionAlone_IsARow()
    {
        var path = _folder.Write("questions.jsonl", """{"Question": "q", "Answer": ""}""");
        Assert.AreEqual(new DataRow { Question = "q", Source = $"{path}, line 1" }, DataFile.Read(path).Single());
    }

    // The line that stands second in the file, after a good one; then the message after the file's name.
    [TestMethod]
    [DataRow("oops",
        ", line 2, column 1: found text that is not JSON ('o' is an invalid start of a value); expected one JSON object. "
            + "Correct the line; line breaks inside a text are written \\n.")]
    [DataRow("""{"Question": "ä" "Response": 1}""",
        """, line 2, column 18: found text that is not JSON ('"' is invalid after a value. Expected either ',', '}', or ']'); expected one JSON """)]
    [DataRow("""{"Question": "q", """, ", line 2, column ")]
    [DataRow("""{"Question": "q"} {}""",
        ", line 2, column 19: found text that is not JSON ('{' is invalid after a single JSON value. Expected end of data); expected one JSON")]
    [DataRow("""{"Question": "q",}""",
        ", line 2, column 18: found text that is not JSON (The JSON object contains a trailing comma at the end which is not supported")]
    [DataRow("""{"Question": "two	tabs"}""",
        ", line 2, column 18: found text that is not JSON ('0x09' is invalid within a JSON string. The string should be correctly escaped);")]
    [DataRow("[1, 2]",
        """, line 2: found the list [1, 2]; expected one JSON object. Put each row on a line of its own as {"Question": ..., ...}.""")]
    [DataRow("\"text\"", """, line 2: found the text "text"; expected one JSON object.""")]
    [DataRow("null", ", line 2: found the value null; expected one JSON object.")]
    [DataRow("{}",
        """, line 2, "Question": found no such property (only an empty object); expected a text. Fill it in, leave the row out, or name """)]
    [DataRow("""{"prompt": "q", "completion": "r"}""",
        """, line 2, "Question": found no such property (only "prompt", "completion"); expected a text.""")]
    [DataRow("""{"Question": "q", "Response": "r"}""",
        """, line 2, "Answer": found no such property (only "Question", "Response"); expected a text.""")]
    [DataRow("""{"Question": "", "Response": "r", "Answer": "a"}""", """, line 2, "Question": found an empty text; expected a text.""")]
    [DataRow("""{"Question": "q", "Response": " \t", "Answer": "a"}""", """, line 2, "Response": found an empty text; expected a text.""")]
    [DataRow("""{"Question": "q", "Response": "r", "Answer": null}""", """, line 2, "Answer": found null; expected a text.""")]
    [DataRow("""{"Question": "q", "Response": 18, "Answer": "a"}""",
        """, line 2, "Response": found the number 18; expected a text. Write it between quotes.""")]
    [DataRow("""{"Question": ["q"], "Response": "r", "Answer": "a"}""",
        """, line 2, "Question": found the list ["q"]; expected a text. Write it between quotes.""")]
    [DataRow("""{"Question": "q", "Response": "r", "Judgment": false, "Answer": "a"}""",
        """, line 2, "Judgment": found the value false; expected a text. Write it between quotes.""")]
    [DataRow("""{"Question": "q", "Response": "r", "Answer": "a", "Instruction": {"role": "system", "content": "be terse, be kind"}}""",
        """, line 2, "Instruction": found the object {"role": "system", "content": "be terse,...; expected a text.""")]
    [DataRow("""{"Question": "q\ud83d", "Response": "r", "Answer": "a"}""",
        """, line 2, "Question": found half of a surrogate pair; expected whole characters. Write \u escapes beyond U+FFFF as pairs.""")]
    [DataRow("""{"\udc00": "q"}""", ", line 2, a property name: found half of a surrogate pair; expected whole characters.")]
    [DataRow("""{"Question": "q", "question": "Q", "Response": "r", "Answer": "a"}""",
        """, line 2, "question": found the property twice; expected each property once (names ignore case). Remove one of them.""")]
    public void ReadExamples_MalformedRow_NamesThePlaceAndTheRemedy(string line, string message)
    {
        var path = _folder.Write("rows.jsonl", Good + "\n" + line + "\n" + Good);
        StringAssert.StartsWith(Assert.ThrowsExactly<NlftException>(() => DataFile.ReadExamples(path)).Message, path + message);
    }

    [TestMethod]
    public void Read_BytesThatAreNotUtf8_AreNamed()
    {
        var path = _folder.Write("rows.jsonl", [.. "\n{\"Question\": \"caf"u8, 0xE9, .. "\"}"u8]);
        Assert.AreEqual($"{path}, line 2, byte 18: found 0xE9, which is not UTF-8; expected UTF-8 text. Save the file as UTF-8.", Refused(path));
    }

    [TestMethod]
    [DataRow("5", "5")]
    [DataRow("5.0", "5.0")]
    [DataRow("-1e3", "-1e3")]
    [DataRow("12345678901234567890.10", "12345678901234567890.10")]
    [DataRow("\"5\"", "5")]
    public void Read_AnswerAndIdAsNumbers_AreReadAsWritten(string json, string text)
    {
        foreach (var (name, format) in new[] { ("rows.jsonl", "{{\"Id\": {0}, \"Question\": \"q\", \"Answer\": {0}}}"),
            ("rows.json", "[{{\"id\": {0}, \"instruction\": \"q\", \"output\": \"r\", \"answer\": {0}}}]") })
        {
            var row = DataFile.Read(_folder.Write(name, string.Format(System.Globalization.CultureInfo.InvariantCulture, format, json))).Single();
            Assert.AreEqual((text, text), (row.Id, row.Answer), name);
        }
    }

    [TestMethod]
    public void Read_DeepNesting_IsRefused()
    {
        var path = _folder.Write("rows.jsonl", new string('[', 100_000));
        StringAssert.Contains(Refused(path), "line 1, column ");
    }

    [TestMethod]
    public void Read_Utf16_IsNamed() => StringAssert.EndsWith(Refused(_folder.Write("rows.jsonl", [0xFF, 0xFE, 0x7B, 0x00])),
        "rows.jsonl: found UTF-16 text; expected UTF-8 text. Save the file as UTF-8.");

    [TestMethod]
    [DataRow("")]
    [DataRow("\n \n")]
    [DataRow("\uFEFF")]
    public void Read_FileWithoutRows_IsRefused(string text) =>
        StringAssert.EndsWith(Refused(_folder.Write("rows.jsonl", text)),
            "rows.jsonl: found no row; expected one JSON object per line. Put at least one row into the file.");

    [TestMethod]
    public void Read_MissingFile_IsRefused()
    {
        var path = Path.Combine(_folder.Path, "none.jsonl");
        Assert.AreEqual($"{path}: found no file; expected a JSON Lines file. Check the path.", Refused(path));
        Directory.CreateDirectory(path);
        Assert.AreEqual($"{path}: found a folder; expected a JSON Lines file. Check the path.", Refused(path));
    }

    [TestMethod]
    public void Read_ColumnsThatAreBlankOrEqual_AreRefused()
    {
        var path = _folder.Write("rows.jsonl", Good);
        Assert.AreEqual("option DataColumns: found the name \" \"; expected a name that is not blank. Name the column as the file does.",
            Assert.ThrowsExactly<NlftException>(() => DataFile.ReadExamples(path, columns: new() { Question = " " })).Message);
        Assert.AreEqual("option DataColumns: found the name \"answer\" twice; expected five names that differ in more than case. "
            + "Give each column its own name.",
            Assert.ThrowsExactly<NlftException>(() => DataFile.ReadExamples(path, columns: new() { Response = "answer" })).Message);
    }

    private static string Refused(string path) => Assert.ThrowsExactly<NlftException>(() => DataFile.ReadExamples(path)).Message;

    [TestMethod]
    public void WriteExamples_Rows_AreReadAgain()
    {
        TrainingExample[] rows =
        [
            new()
            {
                Question = "2+2?\n\"q\" \\ 😀 ä", Response = "<<2+2=5>>5", Judgment = "It\u2019s 4.", Answer = "#### 4", Instruction = "Add.",
            },
            new() { Question = "q", Response = "r", Answer = "a" },
        ];
        DataFile.WriteExamples(FilePath, rows);
        CollectionAssert.AreEqual(rows, DataFile.ReadExamples(FilePath).Select(row => row with { Source = "row" }).ToArray());
    }

    [TestMethod]
    public void WriteExamples_Row_IsOneLineOfReadableLetters()
    {
        DataFile.WriteExamples(FilePath, [new() { Question = "ä<b>\n", Response = "r", Answer = "a" }]);
        Assert.AreEqual("{\"Question\":\"ä<b>\\n\",\"Response\":\"r\",\"Answer\":\"a\"}\n", File.ReadAllText(FilePath));
    }

    [TestMethod]
    public void WriteExamples_RowThatCannotBeWritten_LeavesTheOldFileAlone()
    {
        File.WriteAllText(FilePath, "old");
        TrainingExample good = new() { Question = "q", Response = "r", Answer = "a" };
        Assert.AreEqual($"row 2 to be written to {FilePath}, Response: found an empty text; expected a text. Fill it in or leave the row out.",
            Assert.ThrowsExactly<NlftException>(() => DataFile.WriteExamples(FilePath, [good, good with { Response = "" }])).Message);
        Assert.AreEqual($"row 1 to be written to {FilePath}, \"Answer\", character 2: found half of a surrogate pair; expected whole characters. "
            + "Repair the text: it was cut in the middle of a character.",
            Assert.ThrowsExactly<NlftException>(() => DataFile.WriteExamples(FilePath, [good with { Answer = "a\ud83d" }])).Message);
        Assert.AreEqual("old", File.ReadAllText(FilePath));
        Assert.HasCount(1, Directory.GetFiles(_folder.Path));
    }
}
