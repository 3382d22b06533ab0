using System.Text.Json;
using Microsoft.ML.Nlft.Data;

namespace Microsoft.ML.Nlft.Tests.Data;

/// <summary>Reads real files, writes them in other formats and back, and checks that nothing is lost.</summary>
[TestClass]
[TestCategory("Conformance")]
public sealed class DataFileFixtureTests
{
    private readonly TemporaryFolder _folder = new();

    [TestCleanup]
    public void Clean() => _folder.Dispose();

    [TestMethod]
    [DataRow("rows.jsonl")]
    [DataRow("rows.csv")]
    [DataRow("rows.tsv")]
    public void Write_JudgmentsOfCut_LosesNothing(string by)
    {
        var fixture = Fixture("judgments", "cut-alpaca-iter1.json");
        var (between, back) = (Path.Combine(_folder.Path, by), Path.Combine(_folder.Path, "back.json"));
        DataFile.Write(between, DataFile.Read(fixture));
        DataFile.Write(back, DataFile.Read(between), RowFormat.Cut);

        using var expected = JsonDocument.Parse(File.ReadAllBytes(fixture));
        using var found = JsonDocument.Parse(File.ReadAllBytes(back));
        Assert.AreEqual(1000, found.RootElement.GetArrayLength());
        Assert.IsTrue(JsonElement.DeepEquals(expected.RootElement, found.RootElement));
    }

    [TestMethod]
    [DataRow("train.jsonl", 7473)]
    [DataRow("test.jsonl", 1319)]
    public void Write_QuestionsOfGsm8k_LosesNothing(string file, int count)
    {
        var fixture = Fixture("gsm8k", file);
        var rows = DataFile.Read(fixture, RowFormat.Gsm8k);
        var (csv, lines) = (Path.Combine(_folder.Path, "rows.csv"), File.ReadAllLines(fixture).Select(line => JsonElement.Parse(line)).ToList());
        DataFile.Write(csv, rows);
        var back = DataFile.Read(csv);

        Assert.HasCount(count, back);
        foreach (var (row, line) in back.Zip(lines))
            Assert.AreEqual((line.GetProperty("question").GetString(), line.GetProperty("answer").GetString()), (row.Question, row.Answer));
    }

    private static string Fixture(string folder, string file)
    {
        var path = Fixtures.Path_("fixtures", folder, file);
        if (!File.Exists(path)) Assert.Inconclusive($"no fixtures/{folder}/{file} under {Fixtures.Root}");
        return path;
    }
}
