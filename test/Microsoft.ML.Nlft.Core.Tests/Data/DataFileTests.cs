using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Tests.Data;

/// <summary>Compares every format with files written by hand, read and written.</summary>
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
        {"Id":"7","Question":"What is 2 + 3?","Response":"2 + 3 = 6\n#### 6","Judgment":"The sum of 2 and 3 is 5, not \"6\".",
        """ + """
        "Answer":"#### 5","Instruction":"Solve it step by step.","Score":0.25}
        {"Id":"b","Question":"What is 1 + 1?","Response":"#### 2","Answer":"#### 2"}

        """;

    private static readonly DataRow[] s_rows =
    [
        new()
        {
            Id = "7",
            Question = "What is 2 + 3?",
            Response = "2 + 3 = 6\n#### 6",
            Judgment = "The sum of 2 and 3 is 5, not \"6\".",
            Answer = "#### 5",
            Instruction = "Solve it step by step.",
            Score = 0.25,
            Source = "",
        },
        new() { Id = "b", Question = "What is 1 + 1?", Response = "#### 2", Answer = "#### 2", Source = "" },
    ];

    private readonly TemporaryFolder _folder = new();

    [TestCleanup]
    public void Clean() => _folder.Dispose();

    [TestMethod]
    [DataRow("""[{"Question": "a", "Response": "6", "Judgment": "no", "Answer": 5}, {"question": "b", "answer": "2"}]""", null, "a 6 5; b  2")]
    [DataRow("""[{"question": "2+3?", "answer": "5"}]""", null, "2+3?  5")]
    [DataRow("""[{"Asked": "2+3?", "Answer": 5}]""", "Asked", "2+3?  5")]
    [DataRow("""[{"question": "2+3?", "instruction": "a", "input": "b", "output": "c", "answer": "d"}]""", null, "b c d")]
    [DataRow("""[{"instruction": "a", "input": "", "output": "c", "answer": 1}]""", null, "a c 1")]
    public void Read_List_TakesTheKeysOfItsFirstObject(string text, string? question, string expected)
    {
        var rows = DataFile.Read(_folder.Write("rows.json", text), columns: question is null ? null : new() { Question = question });
        Assert.AreEqual(expected, string.Join("; ", rows.Select(row => $"{row.Question} {row.Response} {row.Answer}")));
    }

    [TestMethod]
    [DataRow("rows.json", Nlft)]
    [DataRow("rows.csv", Csv)]
    [DataRow("rows.jsonl", JsonLines)]
    public void ReadAndWrite_GoldenFile_AreExact(string name, string golden)
    {
        CollectionAssert.AreEqual(s_rows, DataFile.Read(_folder.Write(name, golden)).Select(row => row with { Source = "" }).ToArray());

        var written = Path.Combine(_folder.Path, "written-" + name);
        DataFile.Write(written, s_rows);
        Assert.AreEqual(golden, File.ReadAllText(written));
    }

    [TestMethod]
    public void Write_TabsQuotesAndLineBreaks_SurviveATsvFile()
    {
        var path = Path.Combine(_folder.Path, "rows.tsv");
        DataRow row = new()
        {
            Id = "1", Question = "a\tb", Response = "\"c\"\r\nd", Judgment = " e", Answer = "f,g", Instruction = "\n", Source = "",
        };
        DataFile.Write(path, [row]);

        Assert.AreEqual("Id\tQuestion\tResponse\tJudgment\tAnswer\tInstruction\tScore\n"
            + "1\t\"a\tb\"\t\"\"\"c\"\"\r\nd\"\t e\tf,g\t\"\n\"\t\n", File.ReadAllText(path));
        Assert.AreEqual(row with { Instruction = null }, DataFile.Read(path).Single() with { Source = "" });
    }

    [TestMethod]
    [DataRow(RowFormat.Sft, """{"prompt":"Solve it step by step.\n\nWhat is 2 + 3?","completion":"2 + 3 = 6\n#### 6"}""")]
    [DataRow(RowFormat.SftGold, """{"prompt":"Solve it step by step.\n\nWhat is 2 + 3?","completion":"#### 5"}""")]
    public void Write_SupervisedFineTuning_GivesPromptsAndCompletions(RowFormat format, string first)
    {
        var path = Path.Combine(_folder.Path, "sft.jsonl");
        DataFile.Write(path, s_rows, format);
        Assert.AreEqual($"{first}\n{{\"prompt\":\"What is 1 + 1?\",\"completion\":\"#### 2\"}}\n", File.ReadAllText(path));
    }

    [TestMethod]
    public void Write_Reft_GivesTheGoldAnswerAndItsNumber()
    {
        var path = Path.Combine(_folder.Path, "reft.json");
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
    public void ReadAndWrite_Cut_HasNoAnswers()
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
        Assert.AreEqual(("Name a river.", "Paris", "Paris is a city.", null, "0"),
            (row.Question, row.Response, row.Judgment, row.Answer, row.Id));
        DataFile.Write(path, [row], RowFormat.Cut);
        Assert.AreEqual(golden, File.ReadAllText(path));
        Assert.Contains("\"answer\": found no such property",
            Assert.ThrowsExactly<NlftException>(() => DataFile.Read(path, RowFormat.Nlft)).Message);
    }

    [TestMethod]
    [DataRow("rows.json", "[\n  {\"instruction\": \"q\", \"output\": \"r\", \"answer\": \"a\"},\n  {\"instruction\": \"q\", \"answer\": \"a\"}\n]",
        "line 3, column 3, \"output\": found no such property")]
    [DataRow("rows.json", "[{\"instruction\": \"ä\", \"output\": \"r\"}, {\"output\": 1, \"Output\": 2}]",
        "line 1, column 39, \"Output\": found the property twice; expected each property once")]
    [DataRow("rows.json", "[\n  {\"instruction\": \"q\" \"output\": 1}]", "line 2, column 23: found text that is not JSON")]
    [DataRow("rows.json", "[\n  {\"instruction\": \"q\"", "line 2, column ")]
    [DataRow("rows.json", "{}", "line 1, \"Question\": found no such property (only an empty object)")]
    [DataRow("rows.json", "[]", "rows.json: found an empty list; expected one object or more")]
    [DataRow("rows.json", "[1]", "line 1, column 2: found the number 1; expected an object")]
    [DataRow("rows.json", "[{\"instruction\": \"q\", \"output\": \"r\"}] []", "line 1, column ")]
    [DataRow("rows.xml", "<a/>", "found the extension .xml; expected .jsonl, .csv, .tsv or .json")]
    public void Read_Fault_NamesFileLineAndColumn(string name, string text, string message)
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
    [DataRow(RowFormat.Gsm8k, "format: found Gsm8k, which can only be read")]
    public void Write_RowThatTheFormatCannotHold_LeavesTheFileAsItWas(RowFormat format, string message)
    {
        var path = _folder.Write("out.json", "before");
        DataRow[] rows = [s_rows[1], new() { Question = "q", Answer = "none", Source = "rows.csv, line 3" }];
        Assert.Contains(message, Assert.ThrowsExactly<NlftException>(() => DataFile.Write(path, rows, format)).Message);
        Assert.AreEqual("before", File.ReadAllText(path));
        Assert.HasCount(1, Directory.GetFiles(_folder.Path));
    }

    [TestMethod]
    public async Task ReadAsync_File_GivesTheRowsOfRead()
    {
        var path = _folder.Write("rows.jsonl", JsonLines);
        CollectionAssert.AreEqual(DataFile.Read(path).ToArray(), await DataFile.ReadAsync(path).ToArrayAsync());
    }

    [TestMethod]
    [DataRow("""{"Question": "q", "Answer": "a"}""", null)]
    [DataRow("\uFEFF \n[{\"instruction\": \"q\", \"output\": \"r\", \"answer\": \"a\"}]", "r")]
    public void Read_JsonExtension_FollowsTheFirstCharacter(string text, string? response)
    {
        var row = DataFile.Read(_folder.Write("rows.json", text)).Single();
        Assert.AreEqual(("q", response, "a"), (row.Question, row.Response, row.Answer));
    }

    [TestMethod]
    public void Read_NoListWhereTheFormatSaysList_IsRefused() =>
        Assert.Contains("line 1, column 1: found no list; expected a list of objects",
            Assert.ThrowsExactly<NlftException>(() => DataFile.Read(_folder.Write("rows.json", "{}"), RowFormat.Nlft)).Message);

    [TestMethod]
    [DataRow("rows.csv", "Question,Response\nq,r\n", "line 1: found the columns \"Question\", \"Response\"; expected a column \"Answer\"")]
    [DataRow("rows.csv", "Question,Response,Answer\nq,r,\n", "line 2, \"Answer\": found an empty field")]
    [DataRow("rows.jsonl", """{"Question": "q", "Response": "r"}""", "line 1, \"Answer\": found no such property (only \"Question\", \"Response\")")]
    [DataRow("rows.json", """[{"instruction": "q", "output": "r"}]""", "line 1, column 2, \"answer\": found no such property")]
    public void ReadExamples_RowWithoutAnAnswer_IsRefused(string name, string text, string message)
    {
        var path = _folder.Write(name, text);
        Assert.Contains(message, Assert.ThrowsExactly<NlftException>(() => DataFile.ReadExamples(path)).Message);
    }

    [TestMethod]
    public void Write_OtherColumns_AreReadAgain()
    {
        DataColumns columns = new() { Question = "prompt, asked", Answer = "gold" };
        foreach (var name in (string[])["rows.csv", "rows.tsv", "rows.jsonl"])
        {
            var path = Path.Combine(_folder.Path, name);
            DataFile.Write(path, s_rows, columns: columns);
            CollectionAssert.AreEqual(s_rows, DataFile.Read(path, columns: columns).Select(row => row with { Source = "" }).ToArray(), name);
        }
    }

    [TestMethod]
    public void WriteJsonLines_Results_FollowTheRow()
    {
        using var stream = new MemoryStream();
        DataFile.WriteJsonLines(stream, [s_rows[1]], results: at => [("Place", at), ("Text", "ä"), ("Nothing", null)]);
        Assert.AreEqual("""{"Id":"b","Question":"What is 1 + 1?","Response":"#### 2","Answer":"#### 2","Place":0,"Text":"ä"}""" + "\n",
            System.Text.Encoding.UTF8.GetString(stream.ToArray()));
    }
}
