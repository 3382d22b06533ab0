using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Tests.Data;

[TestClass]
public sealed class DelimitedFormatTests
{
    [TestMethod]
    public void Read_QuotedFields_HoldSeparatorsLineBreaksAndQuotes()
    {
        var rows = Read("Question,Response,Judgment,Answer\r\n\"a, \"\"b\"\"\nc\",r1,,1\r\n\r\nq2,\"r\n2\",j2,2\r\nq3,r3,\" \",3");

        Assert.HasCount(3, rows);
        Assert.AreEqual(new DataRow { Question = "a, \"b\"\nc", Response = "r1", Answer = "1", Source = "rows.csv, line 2" }, rows[0]);
        Assert.AreEqual(new DataRow { Question = "q2", Response = "r\n2", Judgment = "j2", Answer = "2", Source = "rows.csv, line 5" }, rows[1]);
        Assert.AreEqual(new DataRow { Question = "q3", Response = "r3", Answer = "3", Source = "rows.csv, line 7" }, rows[2]);
    }

    [TestMethod]
    public void Read_ColumnsInAnyOrderAndCase_AreFoundByName()
    {
        var rows = Read("answer;Other;INSTRUCTION; question \n1;x;be brief;q\n", ';');

        Assert.AreEqual(new DataRow { Question = "q", Answer = "1", Instruction = "be brief", Source = "rows.csv, line 2" }, rows.Single());
    }

    [TestMethod]
    public void Read_ByteOrderMarkAndLettersBeyondAscii_AreRead() =>
        Assert.AreEqual("Größe, 大?", Read("\uFEFFQuestion\n\"Größe, 大?\"\n").Single().Question);

    [TestMethod]
    [DataRow("", "rows.csv", "an empty file")]
    [DataRow("Question,Response\n", "rows.csv", "a header line alone")]
    [DataRow("Question,Question\na,b\n", "rows.csv, line 1", "the column \"Question\" twice")]
    [DataRow("Frage,Response\na,b\n", "rows.csv, line 1", "the columns \"Frage\", \"Response\"")]
    [DataRow("Question,Response\n\na,b\nc\n", "rows.csv, line 4", "1 fields")]
    [DataRow("Question,Response\n\"a\nb\",c\nd,e,f\n", "rows.csv, line 4", "3 fields")]
    [DataRow("Question,Response\na,b\n,c\n", "rows.csv, line 3, \"Question\"", "an empty field")]
    [DataRow("Question,Response\nx,y\na,\"b\nc,d\n", "rows.csv, line 3, column 3", "a quote that is never closed")]
    [DataRow("Question,Response\n\"x,y\na,b\n", "rows.csv, line 2, column 1", "a quote that is never closed")]
    [DataRow("Question,Response\n\"x\ny\",z\na,b\"c\n", "rows.csv, line 4, column 3", "a quote inside the field b\"c")]
    [DataRow("Question,Response\n\"ab\"c,d\n", "rows.csv, line 2, column 1", "a quote inside the field \"ab\"c")]
    public void Read_Fault_IsNamedWithItsPlace(string text, string subject, string found)
    {
        var error = Assert.ThrowsExactly<NlftException>(() => Read(text));

        Assert.AreEqual(subject, error.Subject);
        Assert.AreEqual(found, error.Found);
    }

    [TestMethod]
    [DataRow("Question;Response\na;b\n", "Name the delimiter ; (nlft: --delimiter \";\").")]
    [DataRow("Prompt,Response\na,b\n", "Add it, or name the column that holds it (DataColumns.Question; nlft: --column-question).")]
    public void Read_MissingColumn_ComesWithTheLikelyRemedy(string text, string remedy) =>
        Assert.AreEqual(remedy, Assert.ThrowsExactly<NlftException>(() => Read(text)).Remedy);

    [TestMethod]
    public void Read_BytesThatAreNotUtf8_AreRefused()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("rows.csv", [.. "Question\nGr"u8, 0xFC, .. "n?\n"u8]);

        Assert.Contains("bytes that are not UTF-8", Assert.ThrowsExactly<NlftException>(() => DataFile.Read(path)).Message);
    }

    private static IReadOnlyList<DataRow> Read(string text, char delimiter = ',')
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("rows.csv", text);
        try
        {
            return [.. DataFile.Read(path, delimiter: delimiter).Select(row => row with { Source = Path.GetFileName(row.Source) })];
        }
        catch (NlftException error)
        {
            throw new NlftException(Path.GetFileName(error.Subject), error.Found, error.Expected, error.Remedy);
        }
    }
}
