using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Study;

namespace Microsoft.ML.Nlft.TinyModel.Tests;

/// <summary>Tests the study program without its training: plan, options, statistics, ledger and page.</summary>
[TestClass]
public sealed class StudyTests
{
    [TestMethod]
    public void Plan_FullStudy_HasEveryCellOnce()
    {
        var cells = StudyRun.Plan(StudyFamily.All, new StudyOptions()).ToList();
        Assert.HasCount(5 * 5 * 5 * (7 + 5 + 5), cells);
        Assert.HasCount(cells.Count, cells.Select(cell => cell.Key(1e-3)).Distinct());
        Assert.IsFalse(cells.Any(cell => cell.Family == StudyFamily.Development));
    }

    [TestMethod]
    public void EpochsFor_EverySize_GivesAboutTheSameSteps()
    {
        foreach (var rows in new StudyOptions().Rows)
        {
            Assert.IsInRange(48, 52, StudyRun.EpochsFor(rows) * ((rows + StudyRun.BatchSize - 1) / StudyRun.BatchSize), $"{rows} rows");
        }
    }

    [TestMethod]
    public void StudyCommand_Quick_HasOneSeedAndTwoSizes()
    {
        var options = Read("--quick --families bus,mix");
        Assert.AreEqual((1, "25 50", "bus mix"), (options.Seeds, string.Join(' ', options.Rows), string.Join(' ', options.Families)));
        Assert.AreEqual("--quick --families bus,mix", options.CommandLine);
    }

    [TestMethod]
    public void StudyCommand_Lists_AreDistinctAndSorted()
    {
        var options = Read("--variants --seeds 3 --rows 50,10,50 --rates 1e-2,3e-4 --output page.md");
        Assert.AreEqual((3, true, "page.md"), (options.Seeds, options.Variants, options.Output));
        CollectionAssert.AreEqual(new[] { 10, 50 }, options.Rows.ToArray());
        CollectionAssert.AreEqual(new[] { 3e-4, 1e-2 }, options.Rates.ToArray());
    }

    [TestMethod]
    public void StudyCommand_EarlyStopping_TakesFamiliesAndSeeds()
    {
        var options = Read("--early-stopping --seeds 2 --families bus");
        Assert.AreEqual((true, false, 2, "bus"), (options.EarlyStopping, options.Variants, options.Seeds, options.Families.Single()));
        Assert.IsFalse(Read("--quick").EarlyStopping);
    }

    [TestMethod]
    [DataRow("--families cars")]
    [DataRow("--rows")]
    [DataRow("--seeds 0")]
    [DataRow("--rows 1.5")]
    [DataRow("--rates 0")]
    [DataRow("quick")]
    public void StudyCommand_UnknownArguments_AreRefused(string arguments) =>
        Assert.IsNotEmpty(new StudyCommand(_ => Task.FromResult(0)).Parse(arguments).Errors);

    private static StudyOptions Read(string arguments)
    {
        var command = new StudyCommand(_ => Task.FromResult(0));
        var parsed = command.Parse(arguments);
        Assert.IsEmpty(parsed.Errors);
        return command.Read(parsed);
    }

    [TestMethod]
    public void Rows_CorrectResponses_RepeatToTheSameCount()
    {
        StudyRow[] rows = [.. Enumerable.Range(0, 5).Select(i => new StudyRow(
            new TrainingExample { Question = $"{i}", Response = "r", Judgment = i is 1 or 3 ? null : "wrong", Answer = "a" }, $"gold {i}"))];
        var method = Method.All.Single(method => method.Name == "SFT, correct responses");
        CollectionAssert.AreEqual(new[] { "1", "3", "1", "3", "1" }, method.Rows(rows).Select(row => row.Question).ToArray());
        Assert.IsEmpty(method.Rows([rows[0]]));
        var gold = Method.All.Single(method => method.Name == "SFT, gold answers").Rows(rows);
        Assert.AreEqual(("gold 4", null), (gold[4].Response, gold[4].Judgment));
    }

    [TestMethod]
    public void Accuracy_SeveralOrOneSeed_UsesStudentOrWilson()
    {
        // Mean 0.7, standard deviation 0.1, t(2) = 4.303: half width 4.303 * 0.1 / sqrt(3).
        var seeds = Statistics.Accuracy([Result("a", 60), Result("b", 70), Result("c", 80)]);
        Assert.AreEqual(0.7, seeds.Mean, 1e-12);
        Assert.AreEqual(0.7 - 0.24843, seeds.Lower, 1e-5);
        Assert.AreEqual(0.7 + 0.24843, seeds.Upper, 1e-5);
        var one = Statistics.Accuracy([Result("a", 0)]);
        Assert.AreEqual(0.0, one.Mean);
        Assert.AreEqual(0.0, one.Lower, 1e-12);
        Assert.AreEqual(3.841459 / (100 + 3.841459), one.Upper, 1e-6); // z^2 / (n + z^2)
    }

    [TestMethod]
    public void RunLedger_HalfALine_DropsIt()
    {
        var path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName(), "runs.jsonl");
        var ledger = new RunLedger(path);
        ledger.Add(Result("a", 1));
        ledger.Add(Result("a", 2));
        File.AppendAllText(path, "{\"Key\":\"b\",");
        var again = new RunLedger(path);
        again.Add(Result("b", 3));
        var last = new RunLedger(path);
        Assert.AreEqual((1, 3), (last.Find("a")!.Right, last.Find("b")!.Right));
        Assert.HasCount(2, File.ReadAllLines(path));
        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
    }

    [TestMethod]
    public void StudyPage_SaturatedFamily_ShowsResultsAndSaysSo()
    {
        var options = new StudyOptions { Seeds = 1, Rows = [25, 50] };
        StudyFamily[] families = [StudyFamily.All[0], StudyFamily.All[3]];
        var results = StudyRun.Plan(families, options)
            .Select(cell => (cell, (RunResult?)Result(cell.Key(1e-3), cell.Family == families[0] ? 100 : cell.Method.Name == "NLFT" ? 90 : 70)))
                .ToList();
        var basic = families.ToDictionary(family => family.Name, _ => (Right: 8, Total: 100, Pool: (Correct: 300, Incorrect: 500)));
        var rates = Method.All.ToDictionary(method => method, _ => new RateChoice(1e-3, [(1e-3, 0.9), (3e-3, 0.5)]));
        var place = Directory.CreateTempSubdirectory("nlft-study");
        var page = Path.Combine(place.FullName, "study.md");
        new StudyPage(options, families, basic, rates, results, "abc of 2026-01-01").Write(page);

        var text = File.ReadAllText(page);
        Assert.Contains("Every method answers all tests of fewer-than-twice: it does not distinguish them", text);
        Assert.DoesNotContain("Every method answers all tests of bus", text);
        Assert.Contains("| NLFT | 90.0 [82.6 to 94.5] | 90.0 [82.6 to 94.5] |", text);
        Assert.Contains("The best rate of NLFT is the smallest or largest one tried", text);
        Assert.Contains("| SFT, same responses | +10.0 [", text);
        var plot = System.Xml.Linq.XDocument.Load(Path.Combine(place.FullName, "images", "study.svg"));
        Assert.HasCount(2 * 4, plot.Descendants().Where(element => element.Name.LocalName == "polyline"));
        place.Delete(recursive: true);
    }

    private static RunResult Result(string key, int right) => new(key, right, 100, 50, 1.5, 200, "abc of 2026-01-01");
}
