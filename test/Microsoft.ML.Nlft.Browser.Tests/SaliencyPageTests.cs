using System.Globalization;
using System.Reflection;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Saliency;
using OpenQA.Selenium;

namespace Microsoft.ML.Nlft.Browser;

/// <summary>The saliency page with real rows in a real browser.</summary>
[TestClass]
[TestCategory("Browser")]
[DoNotParallelize]
public sealed partial class SaliencyPageTests
{
    private const double Tolerance = 1e-12;
    private const int Compared = 50;

    private static readonly string s_page = Path.Combine(Directory.CreateTempSubdirectory("nlft-page").FullName, "map.html");
    private static SaliencyMap s_map = null!;
    private static IReadOnlyList<ExampleScores> s_scores = [];

    [ClassInitialize]
    public static void MakeThePage(TestContext context)
    {
        using var model = SampleRows.Load();
        var rows = SampleRows.Read(model);
        s_map = model.CreateSaliencyMap(rows, cancellationToken: context.CancellationToken);
        s_map.Save(s_page);
        s_scores = [.. rows.Select(row => SampleRows.Score(model, row))];
    }

    [ClassCleanup]
    public static void RemoveThePage() => Directory.Delete(Path.GetDirectoryName(s_page)!, recursive: true);

    [TestMethod]
    public void Script_GoldenVectors_Match()
    {
        var cases = GoldenCases.Read();
        if (cases.Count == 0) Assert.Inconclusive($"no golden/nlft under {Fixtures.Root}");
        var path = Path.Combine(Path.GetDirectoryName(s_page)!, "golden.html");
        GoldenCases.Map(cases).Save(path);
        using var browser = Open(path);
        var failures = new List<string>();
        for (var i = 0; i < cases.Count; i++)
        {
            var (one, expected) = (cases[i], cases[i].GetProperty("expected"));
            var n = one.GetProperty("n").GetInt32();
            var found = browser.Run("""
                const view = await nlft.page, row = view.row(arguments[0]), changes = JSON.parse(arguments[1]);
                const out = { roles: new Uint8Array(row.tokens), weights: new Float64Array(row.tokens), coefficients: new Float64Array(row.tokens) };
                const options = { ...view.map.options, ...changes, CorrectLikelihood: false };
                const token = nlft.objective.evaluate(row, options, out);
                const [roles, weights, coefficients] = [[...out.roles], [...out.weights], [...out.coefficients]];
                const result = { loss: token.loss, salient: token.salient, roles, weights, coefficients };
                const both = nlft.objective.evaluate(row, { ...options, CorrectLikelihood: true }, out);
                return { ...result, both: both.loss, bothCoefficients: [...out.coefficients] };
                """, i, JsonSerializer.Serialize(GoldenCases.Options(one)));
            void Same(string what, JsonElement wanted, IEnumerable<double> values)
            {
                var numbers = wanted.ValueKind == JsonValueKind.Array ? wanted.EnumerateArray().Select(value => value.GetDouble()).ToArray()
                    : [wanted.GetDouble()];
                var got = values.ToArray();
                if (numbers.Length != got.Length || numbers.Zip(got)
                    .Any(pair => !(Math.Abs(pair.First - pair.Second) <= Tolerance * Math.Max(1, Math.Abs(pair.First)))))
                {
                    failures.Add($"{one.GetProperty("id")}, {what}: wanted {string.Join(' ', numbers)}, got {string.Join(' ', got)}");
                }
            }
            IEnumerable<double> Numbers(string name) => found.GetProperty(name).EnumerateArray().Select(value => value.GetDouble());
            Same("n_salient", expected.GetProperty("n_salient"), [found.GetProperty("salient").GetDouble()]);
            Same("salient", expected.GetProperty("salient"), Numbers("roles").Select(role => role == (int)TokenRole.Salient ? 1.0 : 0));
            Same("cluster", expected.GetProperty("cluster"), Numbers("roles").Select(role => role == (int)TokenRole.Ordinary ? 0.0 : 1));
            Same("scale", expected.GetProperty("scale"), Numbers("weights"));
            Same("total.token_only", expected.GetProperty("total").GetProperty("token_only"), [found.GetProperty("loss").GetDouble()]);
            Same("coef.token_only", expected.GetProperty("coef").GetProperty("token_only"), Numbers("coefficients"));
            if (one.GetProperty("polarity").GetInt32() == 0) continue; // a sum that the library does not support for wrong responses
            Same("total.token_plus_likelihood_guarded", expected.GetProperty("total").GetProperty("token_plus_likelihood_guarded"),
                [found.GetProperty("both").GetDouble()]);
            Same("coef.token_plus_likelihood", expected.GetProperty("coef").GetProperty("token_plus_likelihood"), Numbers("bothCoefficients"));
        }
        Assert.IsEmpty(failures, string.Join("\n", failures));
        Assert.AreEqual("", string.Join('\n', browser.Complaints()), "probabilities of exactly 0 and 1 can be shown, too");
        Console.WriteLine($"{cases.Count} golden cases in the page");
    }

    /// <summary>Those of the teacher's tokens have no control: the page knows the probabilities of the response's tokens alone.</summary>
    [TestMethod]
    [TestCategory("Slow")]
    [DataRow(1400)]
    [DataRow(360)]
    public void Settings_MovedByKeyboard_MatchTheLibrary(int width)
    {
        using var browser = Open(s_page, width);
        OpenSettings(browser, width);
        Compare(browser, s_map.Options, "as it opens");
        string[] ofTheTeacher = [nameof(NaturalLanguageObjectiveOptions.SalientTarget), nameof(NaturalLanguageObjectiveOptions.TeacherTokens)];
        foreach (var property in typeof(NaturalLanguageObjectiveOptions).GetProperties().Where(property => !ofTheTeacher.Contains(property.Name)))
        {
            var before = property.GetValue(Options(browser));
            var control = browser.Driver.FindElement(By.Id($"range-{property.Name}"));
            browser.Run("document.getElementById(arguments[0]).focus();", control.GetAttribute("id")!);
            if (property.PropertyType == typeof(bool)) browser.Press(Keys.Space);
            else if (property.PropertyType.IsEnum) browser.Press(Keys.ArrowDown);
            else browser.Press(property.Name is nameof(NaturalLanguageObjectiveOptions.SalientLevel) ? Keys.ArrowLeft : Keys.ArrowRight, 3);
            browser.Run("return new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve)));");
            var options = Options(browser);
            Assert.AreNotEqual(before, property.GetValue(options), $"{property.Name} did not move");
            Compare(browser, options, $"after {property.Name}");
        }
        browser.Run("document.getElementById('reset').focus();");
        browser.Press(Keys.Enter);
        Compare(browser, s_map.Options, "after Reset");
        Assert.IsEmpty(browser.Complaints());
    }

    [TestMethod]
    public void Settings_TypedNumber_AppliesOrIsRefused()
    {
        using var browser = Open(s_page);
        var number = browser.Driver.FindElement(By.Id("number-SalientRatioToBase"));
        number.Clear();
        number.SendKeys("1.234" + Keys.Enter);
        browser.Until("document.getElementById('code').textContent.includes('SalientRatioToBase = 1.234,')");
        Compare(browser, s_map.Options with { SalientRatioToBase = 1.234 }, "typed");
        number.Clear();
        number.SendKeys("0.5" + Keys.Tab);
        Assert.AreEqual("Expected 1 or more.", browser.Run("return document.getElementById('number-SalientRatioToBase').validationMessage;")
            .GetString());
        Compare(browser, s_map.Options with { SalientRatioToBase = 1.234 }, "refused");
    }

    [TestMethod]
    [DataRow(1400)]
    [DataRow(360)]
    public void Keyboard_Alone_ReadsTokensAndCopiesSettings(int width)
    {
        using var browser = Open(s_page, width);
        browser.Run("document.getElementById('search').focus();");
        browser.Press(Keys.Tab);
        Assert.AreEqual("0:0", Place(browser), "Tab after the search goes to the first token");
        browser.Press(Keys.ArrowRight, 3);
        Assert.AreEqual("0:3", Place(browser));
        browser.Press(Keys.ArrowLeft);
        CompareShown(browser, 0, 2);
        browser.Press(Keys.End);
        CompareShown(browser, 0, s_scores[0].Base.Length - 1);
        browser.Press(Keys.ArrowDown);
        Assert.AreEqual("1:0", Place(browser));
        browser.Press(Keys.ArrowUp);
        browser.Press(Keys.Home);
        var salient = Array.FindIndex(s_map.Rows[0].Epochs[0].Saliency, token => token.Role == TokenRole.Salient);
        browser.Press(Keys.ArrowRight, salient);
        CompareShown(browser, 0, salient);
        Assert.IsTrue(
            browser.Run(
            "const r = document.getElementById('inspector').getBoundingClientRect(), t = document.activeElement.getBoundingClientRect(); return "
            + "r.height > 0 && (t.bottom <= r.top || t.right <= r.left || t.top >= r.bottom || r.right <= t.left);").GetBoolean(),
            "the numbers are shown and do not cover the token");
        browser.Press(Keys.Escape);
        Assert.IsTrue(browser.Run("return document.querySelector('#inspector .hint') !== null;").GetBoolean());

        OpenSettings(browser, width);
        browser.Run("document.getElementById('range-Scale').focus();");
        browser.Press(Keys.ArrowRight);
        browser.Until("document.getElementById('code').textContent.includes('Scale = 10.5,')");
        browser.Run("document.getElementById('copy').focus();");
        browser.Press(Keys.Enter);
        browser.Until("document.getElementById('copied').textContent !== ''");
        Assert.AreEqual("new NaturalLanguageObjectiveOptions\n{\n    Scale = 10.5,\n}",
            browser.Run("return getSelection().toString();").GetString()!.Trim());
        Assert.IsEmpty(browser.Complaints());
    }

    [TestMethod]
    [DataRow(1400)]
    [DataRow(360)]
    public void Page_AnyWidth_FitsWithoutRequestsOrErrors(int width)
    {
        using var browser = Open(s_page, width);
        browser.Screenshot($"map-{width}");
        if (width == 1400)
        {
            browser.Resize(1280, 800);
            browser.Run("return new Promise(resolve => setTimeout(resolve, 100));");
            browser.Picture("saliency-map");
            browser.Resize(width, 1000);
        }
        for (var y = 0; y < 6000; y += 900) browser.Run("scrollTo(0, arguments[0]); return new Promise(resolve => setTimeout(resolve, 50));", y);
        Assert.AreEqual(width, browser.Run("return document.documentElement.scrollWidth;").GetInt32(), "no sideways scrolling");
        browser.Run("document.getElementById('row-26').scrollIntoView();");
        browser.Until("document.querySelector('#row-26 .t')");
        browser.Driver.FindElement(By.CssSelector("#row-26 .t:nth-child(3)")).Click();
        browser.Screenshot($"map-right-row-{width}");
        foreach (var eyes in new[] { "achromatopsia", "deuteranopia" })
        {
            browser.SeeAs(eyes);
            browser.Run("scrollTo(0, 0); return new Promise(resolve => setTimeout(resolve, 100));");
            browser.Screenshot($"map-{eyes}-{width}");
        }
        Assert.AreEqual("", string.Join('\n', browser.Requests()));
        Assert.AreEqual("", string.Join('\n', browser.Complaints()));
    }

    [TestMethod]
    public void Pointer_OverToken_ShowsItsNumbers()
    {
        using var browser = Open(s_page);
        var token = browser.Driver.FindElement(By.CssSelector("#row-1 .t:nth-child(6)"));
        new OpenQA.Selenium.Interactions.Actions(browser.Driver).MoveToElement(token).Perform();
        Assert.AreEqual($"token 6 of {s_map.Rows[1].Tokens.Count}, rows.jsonl, line 2",
            browser.Driver.FindElement(By.CssSelector("#inspector .where")).Text);
        browser.Driver.FindElement(By.CssSelector("#row-1 canvas")).Click(); // the middle of the strips
        Assert.AreEqual($"1:{s_map.Rows[1].Tokens.Count / 2}", Place(browser));
    }

    [TestMethod]
    public void Rows_FilterSortSearch_ShowTheMatches()
    {
        using var browser = Open(s_page);
        int[] Shown() =>
            [.. browser.Run("return [...document.querySelectorAll('article')].filter(row => !row.hidden).map(row => Number(row.dataset.row));")
            .EnumerateArray().Select(value => value.GetInt32())];
        void Choose(string id, string value) => browser.Run("""
            const box = document.getElementById(arguments[0]);
            box.value = arguments[1];
            box.dispatchEvent(new Event('change', { bubbles: true }));
            """, id, value);
        double Share(int row) => s_map.Rows[row].Report(0).SalientShare;
        bool Wrong(int row) => s_map.Rows[row].Example.Polarity == Polarity.Incorrect;
        var all = Enumerable.Range(0, s_map.Rows.Count).ToArray();

        CollectionAssert.AreEqual(all, Shown());
        Choose("sort", "salient");
        CollectionAssert.AreEqual(all.OrderByDescending(Share).ToArray(), Shown());
        Choose("sort", "wrong");
        CollectionAssert.AreEqual(all.OrderBy(row => Wrong(row) ? 0 : 1).ThenByDescending(Share).ToArray(), Shown());
        Choose("sort", "file");
        Choose("filter", "right");
        CollectionAssert.AreEqual(all.Where(row => !Wrong(row)).ToArray(), Shown());
        Choose("filter", "none");
        CollectionAssert.AreEqual(all.Where(row => Share(row) == 0).ToArray(), Shown());
        Choose("filter", "all");
        browser.Driver.FindElement(By.Id("search")).SendKeys("LINE 17");
        browser.Until("document.getElementById('found').textContent.startsWith('1 of')");
        CollectionAssert.AreEqual(new[] { 16 }, Shown());
        browser.Driver.FindElement(By.Id("search")).Clear();
        browser.Driver.FindElement(By.Id("search")).SendKeys(s_map.Rows[3].Example.Judgment!);
        browser.Until("!document.getElementById('found').textContent.startsWith('1 of 1')");
        CollectionAssert.Contains(Shown(), 3);
    }

    /// <summary>At the wrong sign of the first row, the right answer makes the right sign likely; the engine's score is the oracle.</summary>
    [TestMethod]
    public void Inspector_SalientToken_ShowsTheLikeliestOtherTokens()
    {
        using var browser = Open(s_page);
        var salient = Array.FindIndex(s_map.Rows[0].Epochs[0].Saliency, token => token.Role == TokenRole.Salient);
        Assert.AreEqual("+", s_map.Rows[0].Texts[salient]);
        using var model = SampleRows.Load();
        var encoded = model.Prompts.Encode(s_map.Rows[0].Example);
        PromptContexts[] contexts = [PromptContexts.Base, PromptContexts.Judge, PromptContexts.Standard];
        for (var context = 0; context < contexts.Length; context++)
        {
            var sequence = encoded.Sequence(contexts[context]);
            var length = sequence.PromptLength + salient;
            var likely = browser.Run("const view = await nlft.page; return view.row(0).likely(arguments[0], arguments[1]);", context, salient)
                .EnumerateArray().Select(pair => (Text: pair[0].GetString()!, Probability: pair[1].GetDouble())).ToArray();
            Assert.HasCount(4, likely);
            var (text, probability) = likely[0];
            Assert.AreEqual(context == 1 ? text : "-", text, $"{contexts[context]}");
            var id = model.Tokenizer.EncodeToIds(text)[0];
            var scored = model.Network.Score([new TokenSequence((int[])[.. sequence.Tokens.Span[..length], id], length)]);
            Assert.AreEqual(Math.Exp(scored[0].LogProbabilities[0]), probability, 1e-4, $"{contexts[context]}, {text}");
        }
        browser.Run("const view = await nlft.page; view.select(0, arguments[0]);", salient);
        var shown = browser.Run("return [...document.querySelectorAll('#inspector .likely dd')].map(list => list.textContent);");
        Assert.AreEqual(3, shown.GetArrayLength());
        Assert.StartsWith("- ", shown[2].GetString()!);
        Assert.IsEmpty(browser.Complaints());
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Tokens_WithoutColour_RemainReadableAndDistinct(bool dark)
    {
        using var browser = HeadlessBrowser.Start();
        browser.PreferDark(dark);
        browser.OpenFile(s_page);
        browser.Run("await nlft.page;");
        var styles = browser.Run("""
            const probe = document.createElement('span'), styles = [];
            document.body.append(probe);
            for (const name of ['z', ...[1, 2, 3, 4, 5, 6, 7].flatMap(level => [`p${level}`, `m${level}`])]) {
                probe.className = `t ${name}`;
                const style = getComputedStyle(probe);
                const back = style.backgroundColor === 'rgba(0, 0, 0, 0)' ? getComputedStyle(document.body).backgroundColor : style.backgroundColor;
                const [edge, hatched] = [parseFloat(style.borderBottomWidth), style.backgroundImage !== 'none'];
                styles.push({ name, text: style.color, back, edge, hatched });
            }
            return styles;
            """).EnumerateArray().ToList();
        foreach (var style in styles)
        {
            var (name, back) = (style.GetProperty("name").GetString()!, Luminance(style.GetProperty("back").GetString()!));
            var text = Luminance(style.GetProperty("text").GetString()!);
            Assert.IsGreaterThanOrEqualTo(4.5, (Math.Max(text, back) + 0.05) / (Math.Min(text, back) + 0.05), $"contrast of {name}");
            Assert.AreEqual(name[0] == 'm', style.GetProperty("hatched").GetBoolean() && style.GetProperty("edge").GetDouble() >= 2,
                $"{name} is hatched and underlined only when made unlikely");
        }
        foreach (var sign in "pm") // in grey each level is further from the page than the previous one
        {
            var greys = styles.Where(style => style.GetProperty("name").GetString()![0] == sign)
                .Select(style => Luminance(style.GetProperty("back").GetString()!)).ToArray();
            CollectionAssert.AreEqual((dark ? greys.Order() : greys.OrderDescending()).ToArray(), greys);
            Assert.HasCount(greys.Length, greys.Distinct().ToArray());
        }
    }

    private static HeadlessBrowser Open(string path, int width = 1400)
    {
        var browser = HeadlessBrowser.Start(width, width < 900 ? 780 : 1000);
        browser.OpenFile(path);
        browser.Run("await nlft.page;");
        return browser;
    }

    /// <summary>A narrow page opens with its settings folded.</summary>
    private static void OpenSettings(HeadlessBrowser browser, int width)
    {
        if (width >= 900) return;
        browser.Run("document.querySelector('#settings-fold summary').focus();");
        browser.Press(Keys.Enter);
    }

    /// <summary>Compares fifty tokens over all rows on the page with the library's numbers for the same settings.</summary>
    private static void Compare(HeadlessBrowser browser, NaturalLanguageObjectiveOptions options, string when)
    {
        var objective = new NaturalLanguageObjective(options);
        var places = new (int Row, int Token)[Compared];
        var random = new Random(when.Length);
        for (var i = 0; i < Compared; i++)
        {
            var row = i * s_scores.Count / Compared;
            var roles = s_map.Rows[row].Epochs[0].Saliency;
            // Includes every row's salient token; the others are random.
            places[i] = (row, i % 2 == 0 && Array.FindIndex(roles, token => token.Role == TokenRole.Salient) is var salient and >= 0 ? salient
                : random.Next(roles.Length));
        }
        var found = browser.Run("const view = await nlft.page; return JSON.parse(arguments[0]).map(([row, token]) => view.numbers(row, token));",
            JsonSerializer.Serialize(places.Select(place => new[] { place.Row, place.Token }))).EnumerateArray().ToArray();
        for (var i = 0; i < Compared; i++)
        {
            var (row, token) = places[i];
            var scores = s_scores[row];
            var wanted = objective.Evaluate(scores).Tokens[token];
            var name = $"{when}: row {row}, token {token}";
            Assert.AreEqual((int)wanted.Role, found[i].GetProperty("role").GetInt32(), name);
            Close(wanted.Weight, found[i].GetProperty("weight").GetDouble(), $"{name}, weight");
            Close(wanted.Coefficient, found[i].GetProperty("coefficient").GetDouble(), $"{name}, coefficient");
            Close(Math.Exp(scores.Base[token]), found[i].GetProperty("b").GetDouble(), $"{name}, b");
            Close(Math.Exp(scores.Standard[token]), found[i].GetProperty("s").GetDouble(), $"{name}, s");
            if (scores.Judge.Length > 0)
                Close(Math.Exp(scores.Judge[token] - scores.Base[token]), found[i].GetProperty("toBase").GetDouble(), $"{name}, j/b");
        }
    }

    private static void Close(double wanted, double found, string what) =>
        Assert.AreEqual(wanted, found, Tolerance * Math.Max(1, Math.Abs(wanted)), what);

    /// <summary>Checks the numbers in the inspector of the focused token, to the displayed digits.</summary>
    private static void CompareShown(HeadlessBrowser browser, int row, int token)
    {
        Assert.AreEqual($"{row}:{token}", Place(browser));
        var report = s_map.Rows[row].Tokens[token];
        var shown = browser.Run(
            "return Object.fromEntries([...document.querySelectorAll('#inspector dd')].map(cell => [cell.dataset.number, cell.textContent]));");
        Assert.AreEqual(report.Saliency.Role switch { TokenRole.Salient => "salient", TokenRole.ClusterNeighbour => "cluster neighbour", _ =>
            "ordinary" }, shown.GetProperty("role").GetString());
        foreach (var (key, value) in new[] { ("weight", report.Saliency.Weight), ("coefficient", report.Saliency.Coefficient),
            ("toBase", report.RatioToBase!.Value), ("toStandard", report.RatioToStandard!.Value) })
        {
            var text = double.Parse(shown.GetProperty(key).GetString()!.Replace('−', '-'), CultureInfo.InvariantCulture);
            Assert.AreEqual(value, text, Math.Abs(value) * 5.1e-4, key);
        }
    }

    private static string Place(HeadlessBrowser browser) =>
        browser.Run("const token = document.activeElement.closest('.t'); return token ? "
            + "`${token.closest('article').dataset.row}:${token.dataset.t}` : document.activeElement.id;").GetString()!;

    /// <summary>Parses the options from the page's C# code: each line sets a property.</summary>
    private static NaturalLanguageObjectiveOptions Options(HeadlessBrowser browser)
    {
        var options = new NaturalLanguageObjectiveOptions();
        foreach (Match line in Assignment().Matches(browser.Run("return document.getElementById('code').textContent;").GetString()!))
        {
            var property = typeof(NaturalLanguageObjectiveOptions).GetProperty(line.Groups[1].Value, BindingFlags.Public | BindingFlags.Instance)!;
            var text = line.Groups[2].Value;
            property.SetValue(options, property.PropertyType.IsEnum ? Enum.Parse(property.PropertyType, text.Split('.')[1])
                : property.PropertyType == typeof(bool) ? bool.Parse(text) : double.Parse(text, CultureInfo.InvariantCulture));
        }
        return options;
    }

    /// <summary>Returns the relative luminance of an rgb() colour.</summary>
    private static double Luminance(string colour)
    {
        var parts = Number().Matches(colour).Select(match => double.Parse(match.Value, CultureInfo.InvariantCulture)).ToArray();
        double Linear(double part) => part / 255 <= 0.04045 ? part / 255 / 12.92 : Math.Pow((part / 255 + 0.055) / 1.055, 2.4);
        return 0.2126 * Linear(parts[0]) + 0.7152 * Linear(parts[1]) + 0.0722 * Linear(parts[2]);
    }

    [GeneratedRegex(@"(\w+) = ([\w.+-]+),")]
    private static partial Regex Assignment();

    [GeneratedRegex(@"[\d.]+")]
    private static partial Regex Number();
}
