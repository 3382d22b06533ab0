using System.Text.Json;
using OpenQA.Selenium;
using OpenQA.Selenium.Chrome;

namespace Microsoft.ML.Nlft.Browser;

/// <summary>A headless Chromium for one test, and what it noticed: errors on the console, requests, pictures.</summary>
internal sealed class HeadlessBrowser : IDisposable
{
    private static readonly string[] s_places = ["/usr/bin", "/usr/lib/chromium", "/usr/local/bin"];

    private readonly string _profile = Directory.CreateTempSubdirectory("nlft-browser").FullName;

    private HeadlessBrowser(string chromium, string driver, bool watchRequests)
    {
        var options = new ChromeOptions { BinaryLocation = chromium };
        options.AddArguments("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--hide-scrollbars", $"--user-data-dir={_profile}");
        options.SetLoggingPreference(LogType.Browser, LogLevel.All);
        if (watchRequests) options.SetLoggingPreference(LogType.Performance, LogLevel.All);
        var service = ChromeDriverService.CreateDefaultService(Path.GetDirectoryName(driver)!, Path.GetFileName(driver));
        service.SuppressInitialDiagnosticInformation = true;
        Driver = new ChromeDriver(service, options, TimeSpan.FromMinutes(2));
    }

    /// <summary>The driver, for what a user does.</summary>
    public ChromeDriver Driver { get; }

    /// <summary>Starts a browser of that width; without one on this machine the test is skipped, in one line.</summary>
    /// <param name="width">CSS pixels.</param>
    /// <param name="height">CSS pixels.</param>
    /// <param name="watchRequests">Whether <see cref="Requests"/> will be asked; being watched makes a browser slower.</param>
    public static HeadlessBrowser Start(int width = 1400, int height = 1000, bool watchRequests = true)
    {
        var (chromium, driver) = (Find("chromium"), Find("chromedriver"));
        if (chromium is null || driver is null)
            Assert.Inconclusive($"No {(chromium is null ? "chromium" : "chromedriver")} on this machine: install the Debian packages chromium and chromium-driver to run the browser tests.");
        var browser = new HeadlessBrowser(chromium, driver, watchRequests);
        browser.Resize(width, height);
        browser.Driver.Navigate().GoToUrl("about:blank"); // the browser's own first page has asked for its parts
        _ = (watchRequests ? browser.Requests() : [], browser.Complaints());
        return browser;
    }

    private static string? Find(string name) => s_places.Select(place => Path.Combine(place, name)).FirstOrDefault(File.Exists);

    /// <summary>Gives the page that many CSS pixels, below the least width of a window, too.</summary>
    public void Resize(int width, int height) => Driver.ExecuteCdpCommand("Emulation.setDeviceMetricsOverride",
        new() { ["width"] = width, ["height"] = height, ["deviceScaleFactor"] = 1, ["mobile"] = false });

    /// <summary>Shows colours as people with a colour vision deficiency see them: none, achromatopsia, deuteranopia, protanopia or tritanopia.</summary>
    public void SeeAs(string deficiency) => Driver.ExecuteCdpCommand("Emulation.setEmulatedVisionDeficiency", new() { ["type"] = deficiency });

    /// <summary>Runs JavaScript in the page; what it returns (a promise, too) comes back through JSON.</summary>
    public JsonElement Run(string body, params object[] arguments)
    {
        var script = $"const done = arguments[arguments.length - 1]; (async () => {{ {body} }})().then(value => done(JSON.stringify(value ?? null)), error => done(JSON.stringify({{ failure: String(error) }})));";
        var value = JsonSerializer.Deserialize<JsonElement>((string)((IJavaScriptExecutor)Driver).ExecuteAsyncScript(script, arguments)!);
        if (value.ValueKind == JsonValueKind.Object && value.TryGetProperty("failure", out var failure)) Assert.Fail($"In the page: {failure}");
        return value;
    }

    /// <summary>Opens a file.</summary>
    public void OpenFile(string path) => Driver.Navigate().GoToUrl(new Uri(path).AbsoluteUri);

    /// <summary>Waits until an expression holds.</summary>
    public void Until(string expression)
    {
        var deadline = DateTime.UtcNow.AddSeconds(20);
        while (!Run($"return !!({expression});").GetBoolean())
        {
            Assert.IsLessThan(deadline, DateTime.UtcNow, $"This did not come true within 20 s: {expression}");
            Thread.Sleep(20);
        }
    }

    /// <summary>Types one key at whatever has the focus.</summary>
    public void Press(string key, int times = 1)
    {
        for (; times > 0; times--) Driver.SwitchTo().ActiveElement().SendKeys(key);
    }

    /// <summary>Writes artifacts/screenshots/NAME.png.</summary>
    public void Screenshot(string name)
    {
        var folder = Directory.CreateDirectory(Path.Combine(Fixtures.RepositoryRoot(), "artifacts", "screenshots"));
        Driver.GetScreenshot().SaveAsFile(Path.Combine(folder.FullName, $"{name}.png"));
    }

    /// <summary>Errors and warnings that the console showed since the last call.</summary>
    public IReadOnlyList<string> Complaints() =>
        [.. Driver.Manage().Logs.GetLog(LogType.Browser).Where(entry => entry.Level >= LogLevel.Warning).Select(entry => entry.Message)];

    /// <summary>Addresses asked for since the last call, the page's own file and data: aside.</summary>
    public IReadOnlyList<string> Requests()
    {
        var urls = new List<string>();
        foreach (var entry in Driver.Manage().Logs.GetLog(LogType.Performance))
        {
            var message = JsonSerializer.Deserialize<JsonElement>(entry.Message).GetProperty("message");
            if (message.GetProperty("method").GetString() == "Network.requestWillBeSent")
                urls.Add(message.GetProperty("params").GetProperty("request").GetProperty("url").GetString()!);
        }
        return [.. urls.Where(url => !url.StartsWith("file:", StringComparison.Ordinal) && !url.StartsWith("data:", StringComparison.Ordinal) && !url.StartsWith("about:", StringComparison.Ordinal))];
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
            // The browser may still be writing; the folder is a temporary one.
        }
    }
}
