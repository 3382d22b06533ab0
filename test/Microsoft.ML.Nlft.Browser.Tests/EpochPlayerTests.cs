using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;
using OpenQA.Selenium;

namespace Microsoft.ML.Nlft.Browser;

/// <summary>Training writes a map with one moment per epoch, and the page plays it.</summary>
[TestClass]
[TestCategory("Browser")]
[DoNotParallelize]
public sealed class EpochPlayerTests
{
    [TestMethod]
    [TestCategory("Slow")]
    public void Play_RealRun_ShowsEveryEpoch()
    {
        var path = Path.Combine(Directory.CreateTempSubdirectory("nlft-page").FullName, "run.html");
        using var model = SampleRows.Load(trainable: true);
        var rows = SampleRows.Read(model).Take(25).ToList();
        var objective = new NaturalLanguageObjective();
        int[] recorded = [0, 3, 24];
        var run = new TrainingRun(model, rows, objective, new() { Epochs = 4, LearningRate = 1e-3, RecordedRows = recorded });
        var map = run.SaliencyMap(run.Run())!;
        map.Save(path);
        CollectionAssert.AreEqual(new[] { 0, 1, 2, 3, 4 }, map.Epochs.ToArray());

        using var browser = HeadlessBrowser.Start();
        browser.OpenFile(path);
        browser.Run("await nlft.page;");
        Check(4);
        browser.Run("document.getElementById('epoch').focus();");
        browser.Press(Keys.Home);
        Check(0);
        browser.Press(Keys.ArrowRight, 2);
        Check(2);
        browser.Screenshot("map-epochs-1400");
        browser.Resize(360, 780);
        browser.Screenshot("map-epochs-360");
        browser.Resize(1400, 1000);
        browser.Run("document.getElementById('epoch').focus();");
        browser.Press(Keys.ArrowRight, 2);
        browser.Driver.FindElement(By.Id("play")).Click(); // at the end: from the beginning
        Check(0);
        browser.Until(
            "document.getElementById('epoch-name').textContent === 'after epoch 4' && document.getElementById('play').textContent.includes('Play')");
        Check(4);
        Assert.AreEqual("", string.Join('\n', browser.Complaints()));
        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);

        void Check(int moment)
        {
            Assert.AreEqual(moment == 0 ? "before training" : $"after epoch {moment}",
                browser.Run("return document.getElementById('epoch-name').textContent;").GetString());
            for (var row = 0; row < recorded.Length; row++)
            {
                var wanted = map.Rows[row].Report(moment).Tokens;
                var found = browser.Run(
                    "const view = await nlft.page; return Array.from({ length: view.row(arguments[0]).tokens }, (_, t) => "
                    + "view.numbers(arguments[0], t));", row).EnumerateArray().ToArray();
                Assert.HasCount(wanted.Count, found);
                for (var t = 0; t < wanted.Count; t++)
                {
                    Assert.AreEqual(wanted[t].Base, found[t].GetProperty("b").GetDouble(), 1e-12);
                    Assert.AreEqual(wanted[t].Saliency.Weight, found[t].GetProperty("weight").GetDouble(), 1e-12);
                    Assert.AreEqual(wanted[t].Saliency.Coefficient, found[t].GetProperty("coefficient").GetDouble(), 1e-12);
                }
            }
        }
    }
}
