using System.Text.Json;
using OpenQA.Selenium;
using OpenQA.Selenium.Chrome;

namespace Microsoft.ML.Nlft.Browser;

/// <summary>A headless Chromium for one test, with its console errors, requests and screenshots.</summary>
internal sealed class HeadlessBrowser : IDisposable
{
    private const string Chromium = "/usr/bin/chromium", Chromedriver = "/usr/bin/chromedriver";

    private readonly string _profile = Directory.CreateTempSubdirectory("nlft-browser").FullName;

    private HeadlessBrowser(bool watchRequests)
    {
        var options = new ChromeOptions { BinaryLocation = Chromium };
        options.AddArguments("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--hide-scrollbars", $"--user-data-dir={_profile}");
        options.SetLoggingPreference(LogType.Browser, LogLevel.All);
        if (watchRequests) options.SetLoggingPreference(LogType.Performance, LogLevel.All);
        var service = ChromeDriverService.CreateDefaultService(Path.GetDirectoryName(Chromedriver)!, Path.GetFileName(Chromedriver));
        service.SuppressInitialDiagnosticInformation = true;
        Driver = new ChromeDriver(service, options, TimeSpan.FromMinutes(2));
    }

    /// <summary>The driver for user input.</summary>
    public ChromeDriver Driver { get; }

    /// <summary>Starts a browser; without Chromium the test is skipped.</summary>
    /// <param name="width">The width in CSS pixels.</param>
    /// <param name="height">The height in CSS pixels.</param>
    /// <param name="watchRequests">Whether to record <see cref="Requests"/>, which slows the browser down.</param>
    public static HeadlessBrowser Start(int width = 1400, int height = 1000, bool watchRequests = true)
    {
        if (Array.Find([Chromium, Chromedriver], path => !File.Exists(path)) is { } missing)
            Assert.Inconclusive($"There is no {missing}: install the Debian packages chromium and chromium-driver to run the tests in a browser.");
        var browser = new HeadlessBrowser(watchRequests);
        browser.Resize(width, height);
        browser.Driver.Navigate().GoToUrl("about:blank"); // the browser's start page has loaded its parts
        _ = (watchRequests ? browser.Requests() : [], browser.Complaints());
        return browser;
    }

    /// <summary>Sets the size of the page in CSS pixels, even below the minimum width of a window.</summary>
    public void Resize(int width, int height) => Driver.ExecuteCdpCommand("Emulation.setDeviceMetricsOverride",
        new() { ["width"] = width, ["height"] = height, ["deviceScaleFactor"] = 1, ["mobile"] = false });

    /// <summary>Makes the system prefer the dark or the light theme.</summary>
    public void PreferDark(bool dark) => Driver.ExecuteCdpCommand("Emulation.setEmulatedMedia", new()
    {
        ["features"] = new[] { new Dictionary<string, object> { ["name"] = "prefers-color-scheme", ["value"] = dark ? "dark" : "light" } },
    });

    /// <summary>Runs a script in every page that is opened from now on, before the page's own.</summary>
    public void RunFirst(string script) => Driver.ExecuteCdpCommand("Page.addScriptToEvaluateOnNewDocument", new() { ["source"] = script });

    /// <summary>Waits until the page has been drawn again.</summary>
    public void Draw() => Run("return new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(resolve, 50))));");

    /// <summary>
    /// Simulates a colour vision deficiency: none, achromatopsia, deuteranopia, protanopia or tritanopia.
    /// </summary>
    public void SeeAs(string deficiency) => Driver.ExecuteCdpCommand("Emulation.setEmulatedVisionDeficiency", new() { ["type"] = deficiency });

    /// <summary>Runs JavaScript in the page and returns its result, or that of its promise, as JSON.</summary>
    public JsonElement Run(string body, params object[] arguments)
    {
        var script =
            $"const done = arguments[arguments.length - 1]; (async () => {{ {body} }})().then(value => done(JSON.stringify(value ?? null)), error "
            + $"=> done(JSON.stringify({{ failure: String(error) }})));";
        var value = JsonSerializer.Deserialize<JsonElement>((string)((IJavaScriptExecutor)Driver).ExecuteAsyncScript(script, arguments)!);
        if (value.ValueKind == JsonValueKind.Object && value.TryGetProperty("failure", out var failure)) Assert.Fail($"In the page: {failure}");
        return value;
    }

    /// <summary>Opens a file.</summary>
    public void OpenFile(string path) => Driver.Navigate().GoToUrl(new Uri(path).AbsoluteUri);

    /// <summary>Waits until a JavaScript expression is true.</summary>
    public void Until(string expression)
    {
        var deadline = DateTime.UtcNow.AddSeconds(20);
        while (!Run($"return !!({expression});").GetBoolean())
        {
            Assert.IsLessThan(deadline, DateTime.UtcNow, $"This did not come true within 20 s: {expression}");
            Thread.Sleep(20);
        }
    }

    /// <summary>Presses a key in the focused element.</summary>
    public void Press(string key, int times = 1)
    {
        for (; times > 0; times--) Driver.SwitchTo().ActiveElement().SendKeys(key);
    }

    /// <summary>Writes artifacts/screenshots/NAME.png.</summary>
    public void Screenshot(string name) => Save("artifacts/screenshots", name);

    /// <summary>Writes docs/images/NAME.png when UPDATE_PICTURES is 1: the pictures of the documentation.</summary>
    public void Picture(string name)
    {
        if (Environment.GetEnvironmentVariable("UPDATE_PICTURES") == "1") Save("docs/images", name);
    }

    private void Save(string folder, string name)
    {
        var place = Directory.CreateDirectory(Path.Combine(Fixtures.RepositoryRoot(), folder));
        Driver.GetScreenshot().SaveAsFile(Path.Combine(place.FullName, $"{name}.png"));
    }

    /// <summary>Returns the errors and warnings on the console since the last call.</summary>
    public IReadOnlyList<string> Complaints() =>
        [.. Driver.Manage().Logs.GetLog(LogType.Browser).Where(entry => entry.Level >= LogLevel.Warning).Select(entry => entry.Message)];

    /// <summary>Returns the requested addresses since the last call, except the page itself and data: URLs.</summary>
    public IReadOnlyList<string> Requests()
    {
        var urls = new List<string>();
        foreach (var entry in Driver.Manage().Logs.GetLog(LogType.Performance))
        {
            var message = JsonSerializer.Deserialize<JsonElement>(entry.Message).GetProperty("message");
            if (message.GetProperty("method").GetString() == "Network.requestWillBeSent")
                urls.Add(message.GetProperty("params").GetProperty("request").GetProperty("url").GetString()!);
        }
        return [.. urls.Where(url => !url.StartsWith("file:", StringComparison.Ordinal) && !url.StartsWith("data:", StringComparison.Ordinal)
            && !url.StartsWith("about:", StringComparison.Ordinal))];
    }

    public void Dispose()
    {
        Driver.Quit();
        Driver.Dispose();
        try
        {
            Directory.Delete(_profile, recursive: true);
        }
        catch (IOException)
        {
            // The browser may still be writing to the temporary folder.
        }
    }
}
