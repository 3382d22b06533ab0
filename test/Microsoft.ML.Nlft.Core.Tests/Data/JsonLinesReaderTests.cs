using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Tests.Data;

[TestClass]
public sealed class JsonLinesReaderTests
{
    private const string Good = """{"Question": "2+2?", "Response": "5", "Judgment": "2+2 is 4.", "Answer": "4", "Instruction": "Add."}""";

    private readonly TemporaryFolder _folder = new();

    [TestCleanup]
    public void Clean() => _folder.Dispose();

    [TestMethod]
    public void Rows_come_with_their_file_and_line()
    {
        var path = _folder.Write("rows.jsonl", Good + "\n\n  \t\r\n" + """{"answer": "4", "RESPONSE": "4", "question": "2+2?", "extra": [1]}"""
            + "\r\n");
        var rows = JsonLinesReader.Read(path);

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
    public void A_judgment_that_says_nothing_means_a_right_response(string judgment)
    {
        var rows = JsonLinesReader.Read(_folder.Write("rows.jsonl",
            $$"""{"Question": "q", "Response": "r", "Judgment": {{judgment}}, "Answer": "a"}"""));
        Assert.AreEqual((Polarity.Correct, null), (rows[0].Polarity, rows[0].Judgment));
    }

    [TestMethod]
    public void A_byte_order_mark_is_skipped() =>
        Assert.AreEqual("2+2?", JsonLinesReader.Read(_folder.Write("rows.jsonl", "\uFEFF" + Good)).Single().Question);

    [TestMethod]
    public void Property_names_can_be_chosen()
    {
        var path = _folder.Write("rows.jsonl", """{"prompt": "q", "completion": "r", "Answer": "a"}""");
        var row = JsonLinesReader.Read(path, new() { Question = "prompt", Response = "Completion" }).Single();
        Assert.AreEqual(("q", "r"), (row.Question, row.Response));
    }

    [TestMethod]
    public void Rows_to_be_answered_need_a_question_only()
    {
        var path = _folder.Write("questions.jsonl", """{"Question": "q", "Answer": ""}""");
        Assert.AreEqual(new JsonLinesRow("q", null, null, null, null, $"{path}, line 1"), JsonLinesReader.ReadRows(path).Single());
    }

    // The line that stands second in the file, after a good one; then the message after the file's name.
    [TestMethod]
    [DataRow("oops",
        """, line 2, column 1: found text that is not JSON ('o' is an invalid start of a value); expected one JSON object. Correct the line; line breaks inside a text are written \n.""")]
    [DataRow("""{"Question": "ä" "Response": 1}""",
        """, line 2, column 18: found text that is not JSON ('"' is invalid after a value. Expected either ',', '}', or ']'); expected one JSON object. Correct the line; line breaks inside a text are written \n.""")]
    [DataRow("""{"Question": "q", """, ", line 2, column ")]
    [DataRow("""{"Question": "q"} {}""",
        ", line 2, column 19: found text that is not JSON ('{' is invalid after a single JSON value. Expected end of data); expected one JSON object.")]
    [DataRow("""{"Question": "q",}""",
        ", line 2, column 18: found text that is not JSON (The JSON object contains a trailing comma at the end which is not supported in this mode. Change the reader options); expected one JSON object.")]
    [DataRow("""{"Question": "two	tabs"}""",
        ", line 2, column 18: found text that is not JSON ('0x09' is invalid within a JSON string. The string should be correctly escaped); expected one JSON object.")]
    [DataRow("[1, 2]", """, line 2: found the list [1, 2]; expected one JSON object. Put each row on a line of its own as {"Question": ..., ...}.""")]
    [DataRow("\"text\"", """, line 2: found the text "text"; expected one JSON object.""")]
    [DataRow("null", ", line 2: found the value null; expected one JSON object.")]
    [DataRow("{}",
        """, line 2, "Question": found no such property (only an empty object); expected a text. Fill it in, leave the row out, or name the property that holds it.""")]
    [DataRow("""{"prompt": "q", "completion": "r"}""",
        """, line 2, "Question": found no such property (only "prompt", "completion"); expected a text.""")]
    [DataRow("""{"Question": "q", "Response": "r"}""",
        """, line 2, "Answer": found no such property (only "Question", "Response"); expected a text.""")]
    [DataRow("""{"Question": "", "Response": "r", "Answer": "a"}""", """, line 2, "Question": found an empty text; expected a text.""")]
    [DataRow("""{"Question": "q", "Response": " \t", "Answer": "a"}""", """, line 2, "Response": found an empty text; expected a text.""")]
    [DataRow("""{"Question": "q", "Response": "r", "Answer": null}""", """, line 2, "Answer": found null; expected a text.""")]
    [DataRow("""{"Question": "q", "Response": "r", "Answer": 18}""",
        """, line 2, "Answer": found the number 18; expected a text. Write it between quotes.""")]
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
    public void A_malformed_row_is_named_with_its_place_and_what_to_do(string line, string message)
    {
        var path = _folder.Write("rows.jsonl", Good + "\n" + line + "\n" + Good);
        StringAssert.StartsWith(Assert.ThrowsExactly<NlftException>(() => JsonLinesReader.Read(path)).Message, path + message);
    }

    [TestMethod]
    public void Bytes_that_are_not_utf8_are_named()
    {
        var path = _folder.Write("rows.jsonl", [.. "\n{\"Question\": \"caf"u8, 0xE9, .. "\"}"u8]);
        Assert.AreEqual($"{path}, line 2, byte 18: found 0xE9, which is not UTF-8; expected UTF-8 text. Save the file as UTF-8.", Refused(path));
    }

    [TestMethod]
    public void A_nesting_bomb_is_refused()
    {
        var path = _folder.Write("rows.jsonl", new string('[', 100_000));
        StringAssert.Contains(Refused(path), "line 1, column ");
    }

    [TestMethod]
    public void Utf16_is_named() => StringAssert.EndsWith(Refused(_folder.Write("rows.jsonl", [0xFF, 0xFE, 0x7B, 0x00])),
        "rows.jsonl: found UTF-16 text; expected UTF-8 text. Save the file as UTF-8.");

    [TestMethod]
    [DataRow("")]
    [DataRow("\n \n")]
    [DataRow("\uFEFF")]
    public void A_file_without_rows_is_refused(string text) =>
        StringAssert.EndsWith(Refused(_folder.Write("rows.jsonl", text)),
            "rows.jsonl: found no row; expected one JSON object per line. Put at least one row into the file.");

    [TestMethod]
    public void A_file_that_is_not_there_is_refused()
    {
        var path = Path.Combine(_folder.Root, "none.jsonl");
        Assert.AreEqual($"{path}: found no file; expected a JSON Lines file. Check the path.", Refused(path));
        Assert.AreEqual($"{_folder.Root}: found a folder; expected a JSON Lines file. Check the path.", Refused(_folder.Root));
    }

    [TestMethod]
    public void Property_names_must_differ_and_not_be_blank()
    {
        var path = _folder.Write("rows.jsonl", Good);
        Assert.AreEqual("option JsonLinesNames: found the property name \" \"; expected a name that is not blank. Name the property as the file does.",
            Assert.ThrowsExactly<NlftException>(() => JsonLinesReader.Read(path, new() { Question = " " })).Message);
        Assert.AreEqual("option JsonLinesNames: found the property name \"answer\" used twice; expected five names that differ in more than case. Give each property its own name.",
            Assert.ThrowsExactly<NlftException>(() => JsonLinesReader.Read(path, new() { Response = "answer" })).Message);
    }

    private static string Refused(string path) => Assert.ThrowsExactly<NlftException>(() => JsonLinesReader.Read(path)).Message;
}
