using System.Text;
using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Tests.Data;

/// <summary>Files that people have, read under the name of a row file: each message names the real cause.</summary>
[TestClass]
public sealed class ForeignFileTests
{
    private const string Header = "Question,Response,Judgment,Answer\n", Row = "2+3?,5,,5\n";

    [TestMethod]
    [DataRow("sep=,\n", "Excel's line sep=,", "Delete the line.")]
    [DataRow("sep=,\r\n", "Excel's line sep=,", "Delete the line.")]
    [DataRow("SEP=,\n", "Excel's line SEP=,", "Delete the line.")]
    [DataRow("\"sep=,\"\n", "Excel's line sep=,", "Delete the line.")]
    [DataRow("sep=;\n", "Excel's line sep=;", "Delete the line. Name the delimiter (nlft: --delimiter \";\").")]
    [DataRow("\uFEFFsep=;\r\n", "Excel's line sep=;", "Delete the line. Name the delimiter (nlft: --delimiter \";\").")]
    public void Read_SeparatorLineOfExcel_IsNamed(string first, string found, string remedy)
    {
        var error = Refused("rows.csv", Encoding.UTF8.GetBytes(first + Header + Row));

        Assert.AreEqual(("rows.csv, line 1", found, remedy), (error.Subject, error.Found, error.Remedy));
    }

    [TestMethod]
    [DataRow("utf-16", true, "UTF-16 text")]
    [DataRow("utf-16BE", true, "UTF-16 text")]
    [DataRow("utf-32", true, "UTF-32 text")]
    [DataRow("utf-32BE", true, "UTF-32 text")]
    [DataRow("utf-16", false, "UTF-16 text without a byte order mark")]
    [DataRow("utf-16BE", false, "UTF-16 text without a byte order mark")]
    [DataRow("utf-32", false, "UTF-32 text without a byte order mark")]
    [DataRow("utf-32BE", false, "UTF-32 text without a byte order mark")]
    public void Read_WideText_IsNamed(string encoding, bool mark, string found)
    {
        var wide = Encoding.GetEncoding(encoding);
        foreach (var (name, text) in new[] { ("rows.csv", Header + Row), ("rows.jsonl", """{"Question": "2+3?"}"""), ("rows.json", "[{\"id\": 1}]") })
        {
            var error = Refused(name, [.. mark ? wide.GetPreamble() : [], .. wide.GetBytes(text)]);
            Assert.AreEqual((found, "Save the file as UTF-8."), (error.Found, error.Remedy), name);
        }
    }

    [TestMethod]
    [DataRow("<!DOCTYPE html>\n<html>", "an HTML or XML page")]
    [DataRow("\n <HTML lang=\"en\">", "an HTML or XML page")]
    [DataRow("<?xml version=\"1.0\"?>", "an HTML or XML page")]
    [DataRow("version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "a Git LFS pointer in place of the file")]
    [DataRow("PK\u0003\u0004...", "a ZIP file or an Excel workbook")]
    [DataRow("%PDF-1.7", "a PDF file")]
    public void Read_OtherContent_IsNamed(string text, string found)
    {
        foreach (var name in new[] { "rows.csv", "rows.tsv", "rows.jsonl", "rows.json" })
            Assert.AreEqual(found, Refused(name, Encoding.UTF8.GetBytes(text)).Found, name);
        Assert.AreEqual("a gzip file", Refused("rows.csv", [0x1F, 0x8B, 8, 0]).Found);
    }

    [TestMethod]
    [DataRow("{\n  \"Question\": \"2+3?\",\n  \"Response\": \"5\"\n}\n", "an object that goes on over several lines")]
    [DataRow("{ \"Question\": \"2+3?\",\n  \"Response\": \"5\" }\n", "an object that goes on over several lines")]
    [DataRow("\n{\"Question\":\n\"2+3?\"}\n", "an object that goes on over several lines")]
    [DataRow("{\"Question\": \"2+3?\", \"tags\": [\n1]}\n", "an object that goes on over several lines")]
    [DataRow("\uFEFF{\r\n\"Question\": \"2+3?\"}\r\n", "an object that goes on over several lines")]
    [DataRow("{\"Question\": \"2+3?\"}{\"Question\": \"1+1?\"}\n", "several objects on one line")]
    [DataRow("{\"Question\": \"2+3?\"} {\"Question\": \"1+1?\"}\n", "several objects on one line")]
    [DataRow("{\"Question\": \"2+3?\"},\n{\"Question\": \"1+1?\"}\n", "a comma after the object")]
    [DataRow("[{\"Question\": \"2+3?\"}]\n", "a JSON list")]
    [DataRow("[\n{\"Question\": \"2+3?\"}\n]\n", "a JSON list")]
    public void Read_JsonThatIsNotOneObjectOnEachLine_IsNamed(string text, string found) =>
        Assert.AreEqual(found, Refused("rows.jsonl", Encoding.UTF8.GetBytes(text)).Found);

    [TestMethod]
    [DataRow("{\"Question\": \"2+\n3?\"}\n")]
    [DataRow("{\"Question\": 2+3}\n")]
    [DataRow("{\"Question\": \"2+3?\",}\n")]
    public void Read_JsonWithAnotherFault_IsLeftToItsReader(string text) =>
        Assert.StartsWith("text that is not JSON (", Refused("rows.jsonl", Encoding.UTF8.GetBytes(text)).Found);

    [TestMethod]
    [DataRow("{\"Question\": \"2+3?\"}\n", "JSON", "Name the file .jsonl, or name its format.")]
    [DataRow("[{\"Question\": \"2+3?\"}]\n", "a JSON list", "Name the file .json, or name its format.")]
    public void Read_JsonInCsv_IsNamed(string text, string found, string remedy)
    {
        var error = Refused("rows.csv", Encoding.UTF8.GetBytes(text));

        Assert.AreEqual((found, remedy), (error.Found, error.Remedy));
    }

    [TestMethod]
    [DataRow("\"2+3?\", \"5\",,5\n", "a blank before the opening quote of 5")]
    [DataRow("\"2+3?\",  \"5\",,5\n", "a blank before the opening quote of 5")]
    [DataRow("\"2+3?\",\t\"5\",,5\n", "a blank before the opening quote of 5")]
    [DataRow(" \"2+3?\",5,,5\n", "a blank before the opening quote of 2+3?")]
    [DataRow("2+3?,5,,\u00A0\"5\"\n", "a blank before the opening quote of 5")]
    [DataRow("\"2+3?\" ,5,,5\n", "a blank after the closing quote of 2+3?")]
    public void Read_BlankBesideAQuote_IsNamed(string row, string found)
    {
        var error = Refused("rows.csv", Encoding.UTF8.GetBytes(Header + row));

        Assert.AreEqual((found, "Remove the blank."), (error.Found, error.Remedy));
        Assert.StartsWith("rows.csv, line 2, column ", error.Subject);
    }

    [TestMethod]
    [DataRow("   \n")]
    [DataRow("\t\n")]
    [DataRow(" \r\n\r\n")]
    [DataRow("\u00A0\n")]
    [DataRow("\n \n")]
    public void Read_LineOfBlanks_IsSkippedAnywhere(string blanks) => Assert.HasCount(2, Read("rows.csv", Header + Row + blanks + Row + blanks));

    [TestMethod]
    [DataRow(",,,\n")]
    [DataRow(",,,")]
    [DataRow(",,,\n,,,\n,,,\n")]
    [DataRow(" , ,,\r\n")]
    [DataRow(",,,,,\n")]
    [DataRow("\"\",\"\",,\n\n")]
    public void Read_RowOfSeparatorsAlone_IsSkippedAtTheEndAndNamedBefore(string separators)
    {
        Assert.HasCount(1, Read("rows.csv", Header + Row + separators));

        var error = Refused("rows.csv", Encoding.UTF8.GetBytes(Header + Row + separators + "\n" + Row));
        Assert.AreEqual(("rows.csv, line 3", "a row of separators alone"), (error.Subject, error.Found));
    }

    private static IReadOnlyList<DataRow> Read(string name, string text)
    {
        using var folder = new TemporaryFolder();
        return DataFile.Read(folder.Write(name, text));
    }

    private static NlftException Refused(string name, byte[] bytes)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write(name, bytes);
        var error = Assert.ThrowsExactly<NlftException>(() => DataFile.Read(path));
        return new(error.Subject.Replace(path, name, StringComparison.Ordinal), error.Found, error.Expected, error.Remedy);
    }
}
