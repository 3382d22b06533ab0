using System.Globalization;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Saliency;
using OpenQA.Selenium;

namespace Microsoft.ML.Nlft.Browser;

/// <summary>Both pages, narrow and wide, light and dark: every text can be read, and nothing scrolls sideways.</summary>
[TestClass]
[TestCategory("Browser")]
[DoNotParallelize]
public sealed class AppearanceTests
{
    private static readonly string s_folder = Directory.CreateTempSubdirectory("nlft-page").FullName;
    private static readonly string s_page = Path.Combine(s_folder, "map.html"), s_played = Path.Combine(s_folder, "played.html");
    private static readonly string s_loss = Path.Combine(s_folder, "loss.html");
    private static string s_carries = "";

    [ClassInitialize]
    public static void MakeThePages(TestContext context)
    {
        using var model = SampleRows.Load();
        var rows = SampleRows.Read(model);
        var map = model.CreateSaliencyMap(rows, cancellationToken: context.CancellationToken);
        map.Save(s_page);
        var seen = map.Rows.Select(row => row.Epochs[0]).ToList();
        var longNames = rows.Select(row => row with { Source = new string('s', 80) }).ToList();
        SaliencyMap.Create(new string('m', 80), map.Options, longNames, [new(0, seen), new(1, seen), new(2, seen)],
            id => model.Tokenizer.Decode([id], skipSpecialTokens: false)).Save(s_played);
        TrainingExample[] chats = [rows[30], rows[0] with { Chat = new() { Messages = [.. Turns("user", "assistant", "user", "assistant")] } }];
        var loss = model.CreateLossMap(chats, context.CancellationToken);
        loss.Save(s_loss);
        s_carries = string.Join(' ', loss.Rows.Select(row => string.Concat(row.Tokens.Select(token => token.Saliency.Coefficient > 0 ? 1 : 0))));

        static IEnumerable<Dictionary<string, object?>> Turns(params string[] roles) =>
            roles.Select((role, i) => new Dictionary<string, object?> { ["role"] = role, ["content"] = $"{i} + {i} = {2 * i}" });
    }

    [ClassCleanup]
    public static void RemoveThePages() => Directory.Delete(s_folder, recursive: true);

    [TestMethod]
    [DataRow(390, false)]
    [DataRow(390, true)]
    [DataRow(1400, false)]
    [DataRow(1400, true)]
    public void Map_AnyWidthAndTheme_IsReadable(int width, bool dark)
    {
        using var browser = Start(width, dark);
        browser.OpenFile(s_page);
        browser.Run("await nlft.page; document.querySelectorAll('details').forEach(fold => fold.open = true);");
        Check(browser, $"map-{Name(width, dark)}", texts: 100);
        foreach (var row in new[] { 1, 26 })
        {
            browser.Run("document.getElementById(arguments[0]).scrollIntoView();", $"row-{row}");
            browser.Until($"document.querySelector('#row-{row} .t')");
            browser.Run("document.querySelector(arguments[0]).click();", $"#row-{row} .t:nth-child(3)");
            Check(browser, $"map-row-{row}-{Name(width, dark)}");
        }
        CheckHelp(browser, $"map-help-{Name(width, dark)}");

        browser.OpenFile(s_played);
        browser.Run("const view = await nlft.page; view.select(0, 3);");
        Check(browser, $"map-played-{Name(width, dark)}");
        Assert.AreEqual("", string.Join('\n', browser.Complaints()));
    }

    [TestMethod]
    [DataRow(390, false)]
    [DataRow(390, true)]
    [DataRow(1400, false)]
    [DataRow(1400, true)]
    public void LossMap_AnyWidthAndTheme_ShowsWhatCarriesLossAndIsReadable(int width, bool dark)
    {
        using var browser = Start(width, dark);
        browser.OpenFile(s_loss);
        browser.Run("const view = await nlft.page; view.select(0, 3); document.querySelectorAll('details').forEach(fold => fold.open = true);");
        Assert.AreEqual(s_carries, browser.Run("""
            return [0, 1].map(r => [...document.querySelectorAll(`#row-${r} .t`)].map(t => t.classList.contains('p5') ? 1
                : t.classList.contains('z') ? 0 : '?').join('')).join(' ');
            """).GetString());
        Assert.AreEqual("Which tokens carry loss", browser.Run("return document.getElementById('title').textContent;").GetString());
        Check(browser, $"loss-{Name(width, dark)}");
        CheckHelp(browser, $"loss-help-{Name(width, dark)}");
        Assert.AreEqual("", string.Join('\n', browser.Complaints()));
    }

    [TestMethod]
    [DataRow(390, false)]
    [DataRow(390, true)]
    [DataRow(1400, false)]
    [DataRow(1400, true)]
    public void LivePage_AnyWidthAndTheme_IsReadable(int width, bool dark)
    {
        using var browser = Start(width, dark);
        using var run = new FakeRun(browser, new string('m', 40));
        foreach (var end in new[] { null, "finished", "cancelled", "failed" })
        {
            for (var step = 1; step <= 30; step++)
            {
                run.Step(step, 100, 1.0 / step);
                if (step % 10 == 0) run.Validation(step, 0.5, step / 40.0, best: step == 20);
            }
            run.Recorded(epoch: 1);
            browser.Run("document.querySelectorAll('details').forEach(fold => fold.open = true);");
            run.Show(end);
            Check(browser, $"live-{end ?? "running"}-{Name(width, dark)}");
        }
        browser.Run("document.getElementById('curve-loss').focus();");
        browser.Press(Keys.Home);
        Check(browser, $"live-picked-{Name(width, dark)}");
        CheckHelp(browser, $"live-help-{Name(width, dark)}");
        browser.Run("feed.onopen(); document.getElementById('state').className = 'lost';");
        Check(browser, $"live-lost-{Name(width, dark)}");
        Assert.AreEqual("", string.Join('\n', browser.Complaints()));
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Theme_Switch_LastsAsLongAsThePage(bool dark)
    {
        using var browser = Start(1400, dark);
        browser.OpenFile(s_page);
        browser.Run("await nlft.page;");
        string Theme() => browser.Run("return getComputedStyle(document.body).backgroundColor;").GetString()!;
        string Strip() => browser.Run(
            "return [...document.querySelector('canvas.strips').getContext('2d').getImageData(0, 1, 1, 1).data].join();").GetString()!;
        const string light = "rgb(251, 250, 246)", black = "rgb(20, 23, 28)";
        Assert.AreEqual(dark ? black : light, Theme(), "as the system has it");
        var before = Strip();
        Assert.AreEqual(dark ? "Light theme" : "Dark theme", Text("theme"));
        browser.Run("document.getElementById('theme').focus();");
        browser.Press(Keys.Enter);
        browser.Draw();
        Assert.AreEqual(dark ? light : black, Theme());
        Assert.AreNotEqual(before, Strip(), "the strips are drawn anew");
        Assert.AreEqual(dark ? "Dark theme" : "Light theme", Text("theme"));
        browser.PreferDark(!dark);
        browser.PreferDark(dark);
        Assert.AreEqual(dark ? light : black, Theme(), "the choice wins over the system");
        Assert.AreEqual(0, browser.Run("return localStorage.length + sessionStorage.length + document.cookie.length;").GetInt32());
        browser.Driver.Navigate().Refresh();
        browser.Run("await nlft.page;");
        Assert.AreEqual(dark ? black : light, Theme(), "a new page follows the system again");
        browser.PreferDark(!dark);
        Assert.AreEqual(dark ? light : black, Theme());

        string Text(string id) => browser.Run("return document.getElementById(arguments[0]).textContent;", id).GetString()!;
    }

    [TestMethod]
    public void Help_QuestionMark_OpensOutsideFieldsAndEscapeCloses()
    {
        using var browser = Start(1400, dark: false);
        browser.OpenFile(s_page);
        browser.Run("await nlft.page; document.getElementById('search').focus();");
        bool Open() => browser.Run("return document.getElementById('help-panel').open;").GetBoolean();
        browser.Press("?");
        Assert.IsFalse(Open(), "a question mark in a field is text");
        browser.Run("document.activeElement.blur();");
        browser.Press("?");
        Assert.IsTrue(Open());
        Assert.IsTrue(browser.Run("return document.getElementById('help-panel').contains(document.activeElement);").GetBoolean());
        browser.Press(Keys.Escape);
        Assert.IsFalse(Open());
        browser.Driver.FindElement(By.Id("help")).Click();
        Assert.IsTrue(Open());
        browser.Driver.FindElement(By.CssSelector("#help-panel button")).Click();
        Assert.IsFalse(Open());
        Assert.AreEqual("", string.Join('\n', browser.Complaints()));
    }

    [TestMethod]
    public void Footer_Map_NamesVersionAndDay()
    {
        using var browser = Start(1400, dark: false);
        browser.OpenFile(s_page);
        browser.Run("await nlft.page;");
        var footer = browser.Run("return document.querySelector('footer.made').textContent;").GetString()!;
        var month = DateTime.UtcNow.ToString("yyyy-MM", CultureInfo.InvariantCulture);
        Assert.MatchesRegex($@"^Microsoft\.ML\.Nlft \d+\.\d+\.\d+[\w.-]*, {month}-\d\d$", footer);
    }

    /// <summary>The walk itself: it finds faint text however it comes about.</summary>
    [TestMethod]
    [DataRow("element.style.color = '#999'")]
    [DataRow("element.style.opacity = 0.5")]
    [DataRow("element.style.background = '#666'")]
    [DataRow("element.style.backgroundImage = 'linear-gradient(#fff, #444)'")]
    [DataRow("element.parentElement.style.background = '#555'; element.style.background = '#0000'")]
    [DataRow("element.style.color = '#1d243060'")]
    [DataRow("element.innerHTML = '<svg><text y=\"20\" fill=\"#bbb\">faint</text></svg>'")]
    [DataRow("element.innerHTML = '<style>input::placeholder { color: #aaa }</style><input placeholder=\"faint\">'")]
    public void ContrastWalk_FaintText_IsFound(string change)
    {
        using var browser = Start(1400, dark: false);
        browser.Driver.Navigate().GoToUrl("data:text/html,<body style='background:white;color:black'><div><p id=one>text</p></div>");
        Assert.IsEmpty(ContrastWalk.Failures(browser));
        browser.Run($"const element = document.getElementById('one'); {change};");
        Assert.HasCount(1, ContrastWalk.Failures(browser));
    }

    private static HeadlessBrowser Start(int width, bool dark)
    {
        var browser = HeadlessBrowser.Start(width, width < 900 ? 844 : 1000, watchRequests: false);
        browser.PreferDark(dark);
        return browser;
    }

    private static string Name(int width, bool dark) => $"{(dark ? "dark" : "light")}-{width}";

    private static void CheckHelp(HeadlessBrowser browser, string state)
    {
        browser.Run("document.getElementById('help').click();");
        Check(browser, state);
        browser.Run("document.getElementById('help-panel').close();");
    }

    private static void Check(HeadlessBrowser browser, string state, int texts = 20)
    {
        browser.Draw();
        browser.Screenshot(state);
        ContrastWalk.Check(browser, state, texts);
        Assert.AreEqual(browser.Run("return innerWidth;").GetInt32(), browser.Run("return document.documentElement.scrollWidth;").GetInt32(),
            $"{state}: no sideways scrolling");
    }
}
