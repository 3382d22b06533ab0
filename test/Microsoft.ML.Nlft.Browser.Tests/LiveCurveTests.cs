using System.Globalization;

namespace Microsoft.ML.Nlft.Browser;

/// <summary>The curves of the live page: axes, the logarithmic scale and validation.</summary>
[TestClass]
[TestCategory("Browser")]
[DoNotParallelize]
public sealed class LiveCurveTests
{
    [TestMethod]
    [DataRow(1, 1, 100)]
    [DataRow(1, 2, 100)]
    [DataRow(1, 17, 28)]
    [DataRow(1, 100, 100)]
    [DataRow(13, 40, 400)]
    public void Axis_RunningOrStoppedRun_EndsAtTheLastStep(int first, int last, int total)
    {
        using var browser = HeadlessBrowser.Start();
        using var run = new FakeRun(browser);
        for (var step = first; step <= last; step++) run.Step(step, total, 1.0 / step);
        run.Show();
        var ticks = Texts(browser, "#curve-loss .tick.step");
        Assert.AreEqual($"step {first}", ticks[0]);
        if (last > first) Assert.AreEqual($"{last}", ticks[^1]);
        var numbers = ticks.Skip(1).Select(tick => int.Parse(tick, CultureInfo.InvariantCulture)).ToArray();
        CollectionAssert.AreEqual(numbers.Distinct().Order().ToArray(), numbers, string.Join(' ', numbers));
        var (x, width) = (Points(browser, "#curve-loss .raw")[^1].X, browser.Run("return document.getElementById('curve-loss').clientWidth;")
            .GetDouble());
        if (last > first) Assert.AreEqual(width - 8, x, 0.2, "the curve reaches the end of the axis");
    }

    [TestMethod]
    public void LogarithmicScale_PowersOfTen_AreEquallySpaced()
    {
        using var browser = HeadlessBrowser.Start();
        using var run = new FakeRun(browser);
        double[] losses = [10, 1, 0.1, 0, 0.01, -1, 0.001];
        for (var step = 0; step < losses.Length; step++) run.Step(step + 1, losses.Length, losses[step]);
        run.Show("finished");
        Assert.HasCount(7, Points(browser, "#curve-loss .raw"));
        browser.Run("document.getElementById('log').click();");
        browser.Draw();
        var points = Points(browser, "#curve-loss .raw");
        Assert.HasCount(5, points, "what is not above zero has no place on a logarithmic scale");
        var gap = points[1].Y - points[0].Y;
        Assert.IsGreaterThan(10, gap);
        for (var i = 1; i < points.Length; i++) Assert.AreEqual(gap, points[i].Y - points[i - 1].Y, 0.2);
        CollectionAssert.AreEqual(new[] { "0.001", "0.01", "0.1", "1", "10" }, Texts(browser, "#curve-loss .tick:not(.step)"));
        Assert.HasCount(7, Points(browser, "#curve-accuracy .raw"), "shares stay linear");
        browser.Run("document.getElementById('log').click();");
        browser.Draw();
        Assert.HasCount(7, Points(browser, "#curve-loss .raw"));
        Assert.AreEqual("", string.Join('\n', browser.Complaints()));
    }

    [TestMethod]
    [DataRow(0.0, 0.0)]
    [DataRow(-1.0, -2.0)]
    [DataRow(0.5, 0.5)]
    [DataRow(0.31, 0.34)]
    [DataRow(1e-9, 1e9)]
    public void LogarithmicScale_AnyLosses_DrawsFinitePlaces(double first, double second)
    {
        using var browser = HeadlessBrowser.Start();
        using var run = new FakeRun(browser);
        run.Step(1, 2, first);
        run.Step(2, 2, second);
        browser.Run("document.getElementById('log').click();");
        run.Show();
        var svg = browser.Run("return document.getElementById('curve-loss').innerHTML;").GetString()!;
        Assert.DoesNotContain("NaN", svg);
        Assert.DoesNotContain("Infinity", svg);
        Assert.HasCount(2, Points(browser, "#curve-loss .raw"));
        Assert.IsGreaterThanOrEqualTo(2, Texts(browser, "#curve-loss .tick:not(.step)").Length);
        Assert.AreEqual("", string.Join('\n', browser.Complaints()));
    }

    [TestMethod]
    public void EarlierRuns_Checked_AreDrawnBesideTheRun()
    {
        using var browser = HeadlessBrowser.Start();
        using var run = new FakeRun(browser);
        Assert.AreEqual("none", browser.Run("return getComputedStyle(document.getElementById('earlier')).display;").GetString());
        run.Earlier("first <b>run</b>", 4, 3, 2, 1);
        run.Earlier("second", 8, 6);
        run.Step(1, 4, 2);
        run.Step(2, 4, 1.5);
        run.Show();
        Assert.AreEqual("Earlier runs:  first <b>run</b>  second",
            browser.Run("return document.getElementById('earlier').textContent;").GetString());
        Assert.HasCount(2, Texts(browser, "#curve-loss .earlier"));
        var (earlier, own) = (Points(browser, "#curve-loss .earlier"), Points(browser, "#curve-loss .raw"));
        Assert.HasCount(4, earlier);
        Assert.AreEqual(own[1].X, earlier[1].X, 0.1, "step 2 of both");
        Assert.AreEqual(own[0].Y, earlier[2].Y, 0.1, "the loss 2 of both");
        CollectionAssert.AreEqual(new[] { "step 1", "2", "3", "4" }, Texts(browser, "#curve-loss .tick.step"));
        browser.Run("document.querySelectorAll('#earlier input')[0].click();");
        browser.Draw();
        Assert.HasCount(2, Points(browser, "#curve-loss .earlier"));
        Assert.AreEqual("2", Texts(browser, "#curve-loss .tick.step")[^1]);
        Assert.AreEqual("", string.Join('\n', browser.Complaints()));
    }

    [TestMethod]
    public void Validation_Evaluations_AreDrawnBesideTheSteps()
    {
        using var browser = HeadlessBrowser.Start();
        using var run = new FakeRun(browser);
        for (var step = 1; step <= 30; step++)
        {
            run.Step(step, 100, 1.0 / step);
            if (step == 1) run.Validation(0, 1.5, 0.1, best: false);
            if (step % 10 == 0) run.Validation(step, step == 20 ? 0.25 : 0.5, step / 40.0, best: step < 30);
        }
        run.Show("finished");
        var curve = Points(browser, "#curve-loss .valid");
        Assert.HasCount(4, curve);
        CollectionAssert.AreEqual(curve.Select(point => point.X).Order().ToArray(), curve.Select(point => point.X).ToArray());
        Assert.IsLessThan(Points(browser, "#curve-loss .raw")[0].X, curve[0].X, "the evaluation before training stands left of step 1");
        var ring = browser.Run("return ['cx', 'cy'].map(name => document.querySelector('#curve-loss .best').getAttribute(name));");
        Assert.AreEqual(curve[2].X, double.Parse(ring[0].GetString()!, CultureInfo.InvariantCulture), 0.1);
        Assert.AreEqual(curve[2].Y, double.Parse(ring[1].GetString()!, CultureInfo.InvariantCulture), 0.1);
        string[] captions() => Texts(browser, "figcaption > span");
        Assert.AreEqual("now 0.0333, validation 0.5000", captions()[0]);
        Assert.AreEqual("now 50.0 %, answers right 75.0 %", captions()[1]);
        browser.Run("document.getElementById('curve-loss').focus();");
        browser.Press(OpenQA.Selenium.Keys.ArrowLeft, 5);
        browser.Draw();
        Assert.AreEqual("step 25: 0.0400, validation 0.2500", captions()[0]);
        Assert.AreEqual("QuestionAnswer of the modelExpectedOutcome", browser.Run(
            "document.querySelector('#samples summary').click(); return document.querySelector('#samples thead').textContent.trim();").GetString());
        CollectionAssert.AreEqual(new[] { "2 + 3?2 + 3 = 65Wrong", "1 + 1?22Correct" }, Texts(browser, "#answers tr"));
        Assert.AreEqual("", string.Join('\n', browser.Complaints()));
    }

    [TestMethod]
    public void Validation_None_LeavesNoTrace()
    {
        using var browser = HeadlessBrowser.Start();
        using var run = new FakeRun(browser);
        for (var step = 1; step <= 3; step++) run.Step(step, 3, 1.0 / step);
        run.Validation(3, 0.5, null, best: true);
        run.Show();
        Assert.HasCount(1, Texts(browser, ".valid"), "loss alone, without answers");
        Assert.IsTrue(browser.Run("return document.getElementById('samples').hidden;").GetBoolean());
        using var second = new FakeRun(browser);
        second.Step(1, 3, 1);
        second.Show();
        Assert.IsEmpty(Texts(browser, ".valid, .best"));
        Assert.AreEqual("now 1.0000", Texts(browser, "figcaption > span")[0]);
    }

    private static string[] Texts(HeadlessBrowser browser, string selector) =>
        [.. browser.Run("return [...document.querySelectorAll(arguments[0])].map(node => node.textContent);", selector).EnumerateArray()
            .Select(text => text.GetString()!)];

    /// <summary>Returns the places that a curve goes through.</summary>
    private static (double X, double Y)[] Points(HeadlessBrowser browser, string selector) =>
        [.. browser.Run("return document.querySelector(arguments[0]).getAttribute('d');", selector).GetString()!.Split('M', 'L')
            .Where(part => part != "").Select(part => part.Split(' ').Select(number => double.Parse(number, CultureInfo.InvariantCulture)).ToArray())
            .Select(place => (place[0], place[1]))];
}
