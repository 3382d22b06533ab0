using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Tests.Data;

[TestClass]
public sealed class DelimitedReaderTests
{
    [TestMethod]
    public void Quoted_fields_hold_separators_line_breaks_and_quotes()
    {
        var rows = Read("Question,Response,Judgment,Answer\r\n\"a, \"\"b\"\"\nc\",r1,,1\r\n\r\nq2,\"r\n2\",j2,2\r\nq3,r3,\" \",3");

        Assert.HasCount(3, rows);
        Assert.AreEqual(new JsonLinesRow("a, \"b\"\nc", "r1", null, "1", null, "rows.csv, line 2"), rows[0]);
        Assert.AreEqual(new JsonLinesRow("q2", "r\n2", "j2", "2", null, "rows.csv, line 5"), rows[1]);
        Assert.AreEqual(new JsonLinesRow("q3", "r3", null, "3", null, "rows.csv, line 7"), rows[2]);
    }

    [TestMethod]
    public void Columns_are_found_by_name_whatever_their_order_and_case()
    {
        var rows = Read("answer;Other;INSTRUCTION; question \n1;x;be brief;q\n", ';');

        Assert.AreEqual(new JsonLinesRow("q", null, null, "1", "be brief", "rows.csv, line 2"), rows.Single());
    }

    [TestMethod]
    public void A_byte_order_mark_and_letters_beyond_ASCII_are_read() =>
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
    public void A_fault_is_named_with_its_place(string text, string subject, string found)
    {
        var error = Assert.ThrowsExactly<NlftException>(() => Read(text));

        Assert.AreEqual(subject, error.Subject);
        Assert.AreEqual(found, error.Found);
    }

    [TestMethod]
    [DataRow("Question;Response\na;b\n", "Name the delimiter ; (nlft: --delimiter \";\").")]
    [DataRow("Prompt,Response\na,b\n", "Add it, or name the column that holds it (JsonLinesNames.Question; nlft: --column-question).")]
    public void A_missing_column_comes_with_the_likely_way_out(string text, string remedy) =>
        Assert.AreEqual(remedy, Assert.ThrowsExactly<NlftException>(() => Read(text)).Remedy);

    [TestMethod]
    public void Bytes_that_are_not_UTF8_are_refused()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("rows.csv", [.. "Question\nGr"u8, 0xFC, .. "n?\n"u8]);

        Assert.Contains("bytes that are not UTF-8", Assert.ThrowsExactly<NlftException>(() => DelimitedReader.Read(path)).Message);
    }

    private static IReadOnlyList<JsonLinesRow> Read(string text, char delimiter = ',')
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("rows.csv", text);
        try
        {
            return [.. DelimitedReader.Read(path, delimiter).Select(row => row with { Source = Path.GetFileName(row.Source) })];
        }
        catch (NlftException error)
        {
            throw new NlftException(Path.GetFileName(error.Subject), error.Found, error.Expected, error.Remedy);
        }
    }
}
