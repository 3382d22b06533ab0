using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Tests.Data;

/// <summary>Every format by files written by hand: what stands here is what must be read, and what must be written.</summary>
[TestClass]
public sealed class DataFileTests
{
    private const string Nlft = """
        [
          {
            "id": 7,
            "instruction": "Solve it step by step.",
            "input": "What is 2 + 3?",
            "output": "2 + 3 = 6\n#### 6",
            "judgment": "The sum of 2 and 3 is 5, not \"6\".",
            "answer": "#### 5",
            "score": 0.25
          },
          {
            "id": "b",
            "instruction": "What is 1 + 1?",
            "input": "",
            "output": "#### 2",
            "judgment": null,
            "answer": "#### 2"
          }
        ]

        """;

    private const string Csv = "Id,Question,Response,Judgment,Answer,Instruction,Score\n"
        + "7,What is 2 + 3?,\"2 + 3 = 6\n#### 6\",\"The sum of 2 and 3 is 5, not \"\"6\"\".\",#### 5,Solve it step by step.,0.25\n"
        + "b,What is 1 + 1?,#### 2,,#### 2,,\n";

    private const string JsonLines = """
        {"Id":"7","Question":"What is 2 + 3?","Response":"2 + 3 = 6\n#### 6","Judgment":"The sum of 2 and 3 is 5, not \"6\".","Answer":"#### 5","Instruction":"Solve it step by step.","Score":0.25}
        {"Id":"b","Question":"What is 1 + 1?","Response":"#### 2","Answer":"#### 2"}

        """;

    private static readonly JsonLinesRow[] s_rows =
    [
        new("What is 2 + 3?", "2 + 3 = 6\n#### 6", "The sum of 2 and 3 is 5, not \"6\".", "#### 5", "Solve it step by step.", "") { Id = "7", Score = 0.25 },
        new("What is 1 + 1?", "#### 2", null, "#### 2", null, "") { Id = "b" },
    ];

    private readonly TemporaryFolder _folder = new();

    [TestCleanup]
    public void Clean() => _folder.Dispose();

    [TestMethod]
    [DataRow("rows.json", Nlft)]
    [DataRow("rows.csv", Csv)]
    [DataRow("rows.jsonl", JsonLines)]
    public void A_format_is_read_and_written_as_it_stands_here(string name, string golden)
    {
        CollectionAssert.AreEqual(s_rows, DataFile.Read(_folder.Write(name, golden)).Select(row => row with { Source = "" }).ToArray());

        var written = Path.Combine(_folder.Root, "written-" + name);
        DataFile.Write(written, s_rows);
        Assert.AreEqual(golden, File.ReadAllText(written));
    }

    [TestMethod]
    public void Tabs_quotes_and_line_breaks_survive_a_tsv_file()
    {
        var path = Path.Combine(_folder.Root, "rows.tsv");
        JsonLinesRow[] rows = [new("a\tb", "\"c\"\r\nd", " e", "f,g", "\n", "") { Id = "1" }];
        DataFile.Write(path, rows);

        Assert.AreEqual("Id\tQuestion\tResponse\tJudgment\tAnswer\tInstruction\tScore\n1\t\"a\tb\"\t\"\"\"c\"\"\r\nd\"\t e\tf,g\t\"\n\"\t\n", File.ReadAllText(path));
        Assert.AreEqual(rows[0] with { Instruction = null }, DataFile.Read(path).Single() with { Source = "" });
    }

    [TestMethod]
    [DataRow(RowFormat.Sft, """{"prompt":"Solve it step by step.\n\nWhat is 2 + 3?","completion":"2 + 3 = 6\n#### 6"}""", """{"prompt":"What is 1 + 1?","completion":"#### 2"}""")]
    [DataRow(RowFormat.SftGold, """{"prompt":"Solve it step by step.\n\nWhat is 2 + 3?","completion":"#### 5"}""", """{"prompt":"What is 1 + 1?","completion":"#### 2"}""")]
    public void Rows_for_supervised_fine_tuning_are_prompts_and_completions(RowFormat format, string first, string second)
    {
        var path = Path.Combine(_folder.Root, "sft.jsonl");
        DataFile.Write(path, s_rows, format);
        Assert.AreEqual($"{first}\n{second}\n", File.ReadAllText(path));
    }

    [TestMethod]
    public void Rows_for_ReFT_have_the_gold_answer_and_its_number()
    {
        var path = Path.Combine(_folder.Root, "reft.json");
        DataFile.Write(path, [s_rows[1] with { Id = null, Answer = "1 + 1 = 1,002\n#### 1,002" }], RowFormat.Reft);
        Assert.AreEqual("""
            [
              {
                "item_id": "row_0",
                "question": "What is 1 + 1?",
                "answer_cot": "1 + 1 = 1,002\n#### 1,002",
                "answer_value": "1002"
              }
            ]

            """, File.ReadAllText(path));
    }

    [TestMethod]
    public void A_judgment_file_of_CUT_has_no_answers()
    {
        const string golden = """
            [
              {
                "id": 0,
                "instruction": "Name a river.",
                "input": "",
                "output": "Paris",
                "judgment": "Paris is a city."
              }
            ]

            """;
        var path = _folder.Write("cut.json", golden);
        var row = DataFile.Read(path).Single();
        Assert.AreEqual(("Name a river.", "Paris", "Paris is a city.", null, "0"), (row.Question, row.Response, row.Judgment, row.Answer, row.Id));
        DataFile.Write(path, [row], RowFormat.Cut);
        Assert.AreEqual(golden, File.ReadAllText(path));
        Assert.Contains("\"answer\": found no such property", Assert.ThrowsExactly<NlftException>(() => DataFile.Read(path, RowFormat.Nlft)).Message);
    }

    [TestMethod]
    [DataRow("rows.json", "[\n  {\"instruction\": \"q\", \"output\": \"r\", \"answer\": \"a\"},\n  {\"instruction\": \"q\", \"answer\": \"a\"}\n]", "line 3, column 3, \"output\": found no such property")]
    [DataRow("rows.json", "[\n  {\"instruction\": \"q\" \"output\": 1}]", "line 2, column 23: found text that is not JSON")]
    [DataRow("rows.json", "[\n  {\"instruction\": \"q\"", "line 2, column ")]
    [DataRow("rows.json", "{}", "line 1, column 1: found no list; expected a list of objects")]
    [DataRow("rows.json", "[]", "rows.json: found an empty list; expected one object or more")]
    [DataRow("rows.json", "[1]", "line 1, column 2: found the number 1; expected an object")]
    [DataRow("rows.json", "[{\"instruction\": \"q\", \"output\": \"r\"}] []", "line 1, column ")]
    [DataRow("rows.xml", "<a/>", "found the extension .xml; expected .jsonl, .csv, .tsv or .json")]
    public void A_fault_is_named_with_file_line_and_column(string name, string text, string message)
    {
        var path = _folder.Write(name, text);
        var error = Assert.ThrowsExactly<NlftException>(() => DataFile.Read(path)).Message;
        Assert.StartsWith(path, error);
        Assert.Contains(message, error);
    }

    [TestMethod]
    [DataRow(RowFormat.Sft, "Response: found nothing; expected a text.")]
    [DataRow(RowFormat.Nlft, "Response: found nothing; expected a text.")]
    [DataRow(RowFormat.Reft, "Answer: found an answer without a final number")]
    [DataRow(RowFormat.Gsm8k, "format: found Gsm8k, which is read only")]
    public void A_row_that_a_format_cannot_hold_leaves_the_file_as_it_was(RowFormat format, string message)
    {
        var path = _folder.Write("out.json", "before");
        JsonLinesRow[] rows = [s_rows[1], new("q", null, null, "none", null, "rows.csv, line 3")];
        Assert.Contains(message, Assert.ThrowsExactly<NlftException>(() => DataFile.Write(path, rows, format)).Message);
        Assert.AreEqual("before", File.ReadAllText(path));
        Assert.HasCount(1, Directory.GetFiles(_folder.Root));
    }

    [TestMethod]
    public async Task A_file_is_a_stream_too()
    {
        var path = _folder.Write("rows.jsonl", JsonLines);
        CollectionAssert.AreEqual(DataFile.Read(path).ToArray(), await DataFile.ReadAsync(path).ToArrayAsync());
    }
}
