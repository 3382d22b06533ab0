using Microsoft.ML.Nlft.Monitoring;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;
using OpenQA.Selenium;

namespace Microsoft.ML.Nlft.Browser;

/// <summary>The live page during a real run.</summary>
[TestClass]
[TestCategory("Browser")]
[DoNotParallelize]
public sealed class LivePageTests
{
    [TestMethod]
    public void Page_RealRun_FollowsToTheEndAndOpensLate()
    {
        using var browser = HeadlessBrowser.Start();
        using var model = SampleRows.Load(trainable: true);
        using var live = new LivePage();
        var rows = SampleRows.Read(model).Take(25).ToList();
        using var halfway = new ManualResetEventSlim();
        using var goOn = new ManualResetEventSlim();
        var pause = new Pause(step => step == 17, halfway, goOn);
        var options = new FineTuneOptions { Epochs = 4, LearningRate = 1e-3, RecordedRows = [0, 1, 2] };
        var training = Task.Run(() => model.FineTune(rows, new NaturalLanguageObjective(), options, monitor: new TrainingMonitors(live, pause)));

        browser.Driver.Navigate().GoToUrl(live.Address);
        Assert.IsTrue(halfway.Wait(TimeSpan.FromMinutes(1)));
        browser.Until("document.getElementById('steps').textContent === 'step 17 of 28'");
        Assert.AreEqual("running", Text(browser, "state"));
        Assert.AreEqual("NLFT on 25 rows, model tiny-word-problems", Text(browser, "subtitle"));
        Assert.AreEqual("Saliency map up to epoch 2", Text(browser, "map"));
        browser.Screenshot("live-running-1400");
        browser.Resize(1280, 800);
        browser.Run("return new Promise(resolve => setTimeout(resolve, 100));");
        browser.Picture("live-view");
        browser.Resize(1400, 1000);
        goOn.Set();
        var result = training.GetAwaiter().GetResult();
        browser.Until("document.getElementById('state').textContent === 'finished'");
        CompareSteps(browser, result);

        // By keyboard along the curve.
        browser.Run("document.getElementById('curve-loss').focus();");
        browser.Press(Keys.Home);
        browser.Press(Keys.ArrowRight, 4);
        browser.Until(
            $"document.querySelector('figcaption span').textContent === 'step 5: "
            + $"{result.Steps[4].Loss.ToString("0.0000", System.Globalization.CultureInfo.InvariantCulture)}'");
        browser.Run("document.activeElement.blur();");

        browser.Driver.FindElement(By.TagName("summary")).Click();
        Assert.Contains("LearningRate\t0.001", browser.Driver.FindElement(By.Id("options")).Text.Replace(" 0.001", "\t0.001"));
        browser.Driver.FindElement(By.TagName("summary")).Click();
        browser.Screenshot("live-1400");
        browser.Resize(360, 780);
        browser.Run("return new Promise(resolve => setTimeout(resolve, 100));");
        browser.Screenshot("live-360");
        Assert.AreEqual(360, browser.Run("return document.documentElement.scrollWidth;").GetInt32(), "no sideways scrolling");
        browser.SeeAs("achromatopsia");
        browser.Resize(1400, 1000);
        browser.Run("return new Promise(resolve => setTimeout(resolve, 100));");
        browser.Screenshot("live-achromatopsia-1400");

        // Opened after the run it shows the same.
        browser.Driver.Navigate().Refresh();
        browser.Until("document.getElementById('state').textContent === 'finished'");
        CompareSteps(browser, result);

        // The map of the recorded rows.
        browser.Driver.Navigate().GoToUrl(new Uri(live.Address, "map"));
        Assert.AreEqual(5, browser.Run("const view = await nlft.page; return view.map.epochs.length;").GetInt32());

        Assert.AreEqual("", string.Join('\n', browser.Requests().Where(url => !url.StartsWith(live.Address.AbsoluteUri, StringComparison.Ordinal))),
            "nothing but this machine was asked");
        Assert.AreEqual("", string.Join('\n', browser.Complaints()));
    }

    [TestMethod]
    public void Page_Validation_ShowsItsCurveAndAnswers()
    {
        using var browser = HeadlessBrowser.Start();
        using var model = SampleRows.Load(trainable: true);
        using var live = new LivePage();
        var result = model.FineTune([.. SampleRows.Read(model).Take(12)], new NaturalLanguageObjective(), new()
        {
            Epochs = 3, LearningRate = 1e-3, Validation = new() { Share = 0.25, GeneratedRows = 2, MaximumNewTokens = 48 },
        }, monitor: live);
        browser.Driver.Navigate().GoToUrl(live.Address);
        browser.Until("document.getElementById('state').textContent === 'finished'");
        CollectionAssert.AreEqual(result.Validation.Select(report => report.Loss).ToArray(),
            browser.Run("return live.evaluations().map(one => one.loss);").EnumerateArray().Select(loss => loss.GetDouble()).ToArray());
        browser.Until("document.querySelectorAll('#curve-loss .valid-dot').length === 4");
        Assert.Contains(", validation ", browser.Run("return document.querySelector('figcaption span').textContent;").GetString()!);
        browser.Driver.FindElement(By.CssSelector("#samples summary")).Click();
        Assert.Contains(result.Validation[^1].Samples[0].Question, Text(browser, "answers"));
        browser.Screenshot("live-validation-1400");
        Assert.AreEqual("", string.Join('\n', browser.Complaints()));
    }

    [TestMethod]
    public void Page_ProgramEnded_ReportsLostConnection()
    {
        using var browser = HeadlessBrowser.Start();
        var live = new LivePage();
        browser.Driver.Navigate().GoToUrl(live.Address);
        Assert.AreEqual("waiting for a run", Text(browser, "state"));
        live.Dispose();
        browser.Until("document.getElementById('state').textContent === 'no connection'");
    }

    private static string Text(HeadlessBrowser browser, string id) =>
        browser.Run("return document.getElementById(arguments[0]).textContent;", id).GetString()!;

    private static void CompareSteps(HeadlessBrowser browser, FineTuneResult result)
    {
        var found = browser.Run("return live.steps();").EnumerateArray().ToArray();
        Assert.HasCount(result.Steps.Count, found);
        foreach (var (wanted, step) in result.Steps.Zip(found))
        {
            Assert.AreEqual(wanted.Step, step.GetProperty("step").GetInt32());
            Assert.AreEqual(wanted.Loss, step.GetProperty("loss").GetDouble());
            Assert.AreEqual(wanted.TokenAccuracy, step.GetProperty("accuracy").GetDouble());
            Assert.AreEqual(wanted.SalientShare, step.GetProperty("salient").GetDouble());
            Assert.AreEqual(wanted.LearningRate, step.GetProperty("rate").GetDouble());
        }
    }

    /// <summary>Holds the run at a step until it is released.</summary>
    private sealed class Pause(Func<int, bool> at, ManualResetEventSlim reached, ManualResetEventSlim goOn) : ITrainingMonitor
    {
        public void Report(TrainingProgress value)
        {
            if (!at(value.Step)) return;
            reached.Set();
            goOn.Wait(TimeSpan.FromMinutes(1));
        }
    }
}
