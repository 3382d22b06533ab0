using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Tests.Data;

[TestClass]
public sealed class ColumnCheckTests
{
    [TestMethod]
    [DataRow("judgement", "Judgment")]
    [DataRow("Judgments", "Judgment")]
    [DataRow("jugdment", "Judgment")]
    [DataRow("anwser", "Answer")]
    [DataRow("Answers", "Answer")]
    [DataRow("ANSER", "Answer")]
    [DataRow("Respone", "Response")]
    [DataRow("responses", "Response")]
    [DataRow("re_sponse", "Response")]
    [DataRow("Instruct ion", "Instruction")]
    [DataRow("instructions", "Instruction")]
    public void Read_ColumnNearAnExpectedOne_IsRefusedWithTheRightName(string name, string expected)
    {
        var message = $"found the name \"{name}\"; expected \"{expected}\". Rename it, or set DataColumns.{expected} to it "
            + $"(nlft: --column-{expected.ToLowerInvariant()} \"{name}\").";

        Assert.AreEqual($"rows.csv, line 1: {message}", Refused("rows.csv", $"Question,{name}\n2+3?,5\n"));
        Assert.AreEqual($"rows.jsonl, line 2: {message}",
            Refused("rows.jsonl", $$"""{"Question": "1+1?"}{{"\n"}}{"Question": "2+3?", "{{name}}": "5"}"""), "in any row");
    }

    /// <summary>Many columns cost little each, and a message names some of them.</summary>
    [TestMethod]
    public void Read_ThousandsOfColumns_CostLittleAndAreCounted()
    {
        const int Count = 20_000;
        var names = string.Join(',', Enumerable.Range(0, Count).Select(i => $"c{i}"));
        var before = GC.GetAllocatedBytesForCurrentThread();
        var refusal = Refused("rows.csv", $"{names}\na\n");
        Assert.IsLessThan(1_000L * Count, GC.GetAllocatedBytesForCurrentThread() - before);
        StringAssert.Contains(refusal, "\"c19\" and 19980 more; expected a column \"Question\".");
        Assert.IsLessThan(500, refusal.Length);
    }

    [TestMethod]
    [DataRow("judgement", "judgment")]
    [DataRow("outputs", "output")]
    [DataRow("Anwser", "answer")]
    [DataRow("instructon", "instruction")]
    [DataRow("in put", "input")]
    public void Read_KeyNearOneOfAList_IsRefusedWithTheRightName(string name, string expected)
    {
        var keys = new List<string> { "instruction", "input", "output", "judgment", "answer" };
        keys.Remove(expected);
        keys.Add(name);
        var row = string.Join(", ", keys.Select(key => $"\"{key}\": \"x\""));

        Assert.EndsWith($"found the name \"{name}\"; expected \"{expected}\". Rename it.", Refused("rows.json", $"[{{{row}}}]"));
    }

    [TestMethod]
    [DataRow("Question,Answer,Answers")]
    [DataRow("question,ANSWER,Family")]
    [DataRow("Question,Verdict,Solution,Steps")]
    [DataRow("Question,Id,Score,Level")]
    [DataRow("Question,Judgment,Judgement")]
    public void Read_OtherColumns_AreIgnored(string header)
    {
        using var folder = new TemporaryFolder();
        var fields = string.Join(',', header.Split(',').Select(_ => "1"));

        Assert.HasCount(1, DataFile.Read(folder.Write("rows.csv", $"{header}\n{fields}\n")));
    }

    [TestMethod]
    public void Read_NamedColumn_IsNoMisspelling()
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write("rows.csv", "Question,Judgement\n2+3?,wrong\n");

        Assert.AreEqual("wrong", DataFile.Read(path, columns: new() { Judgment = "Judgement" }).Single().Judgment);
    }

    [TestMethod]
    [DataRow("Judgment", "judge_ment", "judge_ment")]
    [DataRow("Answer", "answer text", null)]
    [DataRow("Q", "q ", "q ")]
    [DataRow("Q", "a", null)]
    [DataRow("Gold", "gould", "gould")]
    [DataRow("Gold", "golden", null)]
    public void Misspelt_Name_AllowsFewLettersToDiffer(string expected, string name, string? found) =>
        Assert.AreEqual(found, NearestName.Misspelt(expected, ["something else", name]));

    [TestMethod]
    [DataRow("rows.csv", "Question,Response\na,b\nc,\nd,\ne,f\n", "rows.csv, line 3, \"Response\": found an empty field, as in 2 rows in all; ")]
    [DataRow("rows.csv", "Question,Response\na,b\nc,\ne,f\n", "rows.csv, line 3, \"Response\": found an empty field; ")]
    [DataRow("rows.jsonl", "{\"Question\": \"a\", \"Response\": \" \"}\n{\"Question\": \"b\", \"Response\": \"c\"}\n{\"Question\": \"b\"}\n",
        "rows.jsonl, line 1, \"Response\": found an empty text, as in 2 rows in all; ")]
    public void Read_SeveralRowsWithoutARequiredText_AreCounted(string name, string text, string message)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write(name, text);

        Assert.StartsWith(message, Assert.ThrowsExactly<NlftException>(() => DataFile.Read(path, required: [nameof(DataRow.Response)])).Message
            .Replace(path, name, StringComparison.Ordinal));
    }

    [TestMethod]
    [DataRow("rows.csv", "Questoin,Response\na,b\n", "Questoin", "Question")]
    [DataRow("rows.jsonl", "{\"mesages\": []}\n", "mesages", "messages")]
    [DataRow("rows.jsonl", "{\"prompt\": \"a\", \"completions\": \"b\"}\n", "completions", "completion")]
    [DataRow("rows.jsonl", "{\"conversation\": []}\n", "conversation", "conversations")]
    [DataRow("rows.jsonl", "{\"instruction\": \"a\", \"output\": \"b\", \"judgement\": \"c\"}\n", "judgement", "judgment")]
    [DataRow("rows.json", "[{\"Question\": \"a\", \"Response\": \"b\", \"Anwser\": \"c\"}]", "Anwser", "Answer")]
    [DataRow("rows.csv", "Question,Response,Judgement\na,b,c\n", "Judgement", "Judgment")]
    public void ReadTraining_ColumnNearOneOfALayout_IsRefusedWithTheRightName(string name, string text, string found, string expected)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write(name, text);

        var error = Assert.ThrowsExactly<NlftException>(() => TrainingFile.Read(path));
        Assert.AreEqual(($"the name \"{found}\"", $"\"{expected}\""), (error.Found, error.Expected));
    }

    [TestMethod]
    [DataRow("rows.csv", "sep=,\nQuestion,Response\na,b\n", "Excel's line sep=,")]
    [DataRow("rows.jsonl", "{\n\"messages\": []\n}\n", "an object that goes on over several lines")]
    [DataRow("rows.json", "{\n\"messages\": []\n}\n", "an object that goes on over several lines")]
    [DataRow("rows.jsonl", "<html>", "an HTML or XML page")]
    [DataRow("rows.csv", "[{\"messages\": []}]", "a JSON list")]
    public void ReadTraining_ForeignFile_IsNamed(string name, string text, string found)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write(name, text);

        Assert.AreEqual(found, Assert.ThrowsExactly<NlftException>(() => TrainingFile.Read(path)).Found);
    }

    private static string Refused(string name, string text)
    {
        using var folder = new TemporaryFolder();
        var path = folder.Write(name, text);
        return Assert.ThrowsExactly<NlftException>(() => DataFile.Read(path)).Message.Replace(path, name, StringComparison.Ordinal);
    }
}
