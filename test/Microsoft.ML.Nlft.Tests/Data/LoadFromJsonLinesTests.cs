using Microsoft.ML.Data;

namespace Microsoft.ML.Nlft.Tests.Data;

[TestClass]
public sealed class LoadFromJsonLinesTests : IDisposable
{
    private readonly MLContext _mlContext = new(seed: 1);
    private readonly string _path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

    public void Dispose() => File.Delete(_path);

    [TestMethod]
    public void LoadFromJsonLines_Rows_AreTextColumnsAndWhatIsMissingIsEmpty()
    {
        var view = Load("""
            {"Question": "2+2?", "Response": "5", "Judgment": "2+2 is 4.", "Answer": "4", "Instruction": "Be brief."}

            {"question": "3+3?", "response": "6", "judgment": null, "answer": "6"}
            {"question": "1+1?"}
            """);
        var rows = _mlContext.Data.CreateEnumerable<LoadedRow>(view, reuseRowObject: false).ToList();

        CollectionAssert.AreEqual(new[] { "Question", "Response", "Judgment", "Answer", "Instruction" }, view.Schema.Select(c => c.Name).ToList());
        Assert.IsTrue(view.Schema.All(c => c.Type is TextDataViewType));
        Assert.AreEqual(3L, view.GetRowCount());
        Assert.AreEqual("2+2?|5|2+2 is 4.|4|Be brief.", rows[0].ToString());
        Assert.AreEqual("3+3?|6||6|", rows[1].ToString());
        Assert.AreEqual("1+1?||||", rows[2].ToString());
    }

    [TestMethod]
    public void LoadFromJsonLines_OtherKeys_FillTheSameColumns()
    {
        var view = Load("""{"prompt": "2+2?", "gold": "4"}""", new() { Question = "prompt", Answer = "gold" });
        var rows = _mlContext.Data.CreateEnumerable<LoadedRow>(view, reuseRowObject: false);

        Assert.AreEqual("2+2?|||4|", rows.Single().ToString());
    }

    [TestMethod]
    public void LoadFromJsonLines_BadLine_IsNamed()
    {
        var error = Assert.ThrowsExactly<NlftException>(() => Load("{\"Question\": \"a\"}\n{\"Question\": 5}"));

        StringAssert.Contains(error.Message, "line 2");
        StringAssert.Contains(error.Message, Path.GetFileName(_path));
    }

    [TestMethod]
    public void LoadFromJsonLines_MissingFile_IsNamed() =>
        StringAssert.Contains(Assert.ThrowsExactly<NlftException>(() => _mlContext.Nlft().LoadFromJsonLines(_path)).Message, Path.GetFileName(_path));

    private IDataView Load(string content, Nlft.Data.DataColumns? names = null)
    {
        File.WriteAllText(_path, content);
        return _mlContext.Nlft().LoadFromJsonLines(_path, names);
    }

    private sealed class LoadedRow
    {
        public string Question { get; set; } = "";

        public string Response { get; set; } = "";

        public string Judgment { get; set; } = "";

        public string Answer { get; set; } = "";

        public string Instruction { get; set; } = "";

        public override string ToString() => string.Join('|', Question, Response, Judgment, Answer, Instruction);
    }
}
