using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Tests.Data;

[TestClass]
public sealed class JsonLinesWriterTests
{
    private readonly TemporaryFolder _folder = new();

    private string FilePath => Path.Combine(_folder.Root, "rows.jsonl");

    [TestCleanup]
    public void Clean() => _folder.Dispose();

    [TestMethod]
    public void What_is_written_is_read_again()
    {
        TrainingExample[] rows =
        [
            new() { Question = "2+2?\n\"q\" \\ 😀 ä", Response = "<<2+2=5>>5", Judgment = "It\u2019s 4.", Answer = "#### 4", Instruction = "Add." },
            new() { Question = "q", Response = "r", Answer = "a" },
        ];
        JsonLinesWriter.Write(FilePath, rows);
        CollectionAssert.AreEqual(rows, JsonLinesReader.Read(FilePath).Select(row => row with { Source = "row" }).ToArray());

        JsonLinesNames names = new() { Question = "prompt" };
        JsonLinesWriter.Write(FilePath, rows, names);
        CollectionAssert.AreEqual(rows, JsonLinesReader.Read(FilePath, names).Select(row => row with { Source = "row" }).ToArray());
    }

    [TestMethod]
    public void One_line_holds_one_row_and_letters_stay_readable()
    {
        JsonLinesWriter.Write(FilePath, [new() { Question = "ä<b>\n", Response = "r", Answer = "a" }]);
        Assert.AreEqual("{\"Question\":\"ä<b>\\n\",\"Response\":\"r\",\"Answer\":\"a\"}\n", File.ReadAllText(FilePath));
    }

    [TestMethod]
    public void A_row_that_cannot_be_written_leaves_the_old_file_alone()
    {
        File.WriteAllText(FilePath, "old");
        TrainingExample good = new() { Question = "q", Response = "r", Answer = "a" };
        Assert.AreEqual($"row 2 to be written to {FilePath}, \"Response\": found an empty text; expected a text. Fill it in or leave the row out.",
            Assert.ThrowsExactly<NlftException>(() => JsonLinesWriter.Write(FilePath, [good, good with { Response = "" }])).Message);
        Assert.AreEqual($"row 1 to be written to {FilePath}, \"Answer\", character 2: found half of a surrogate pair; expected whole characters. Repair the text: it was cut in the middle of a character.",
            Assert.ThrowsExactly<NlftException>(() => JsonLinesWriter.Write(FilePath, [good with { Answer = "a\ud83d" }])).Message);
        Assert.AreEqual("old", File.ReadAllText(FilePath));
        Assert.HasCount(1, Directory.GetFiles(_folder.Root));
    }
}
