using System.Text.Json;
using Microsoft.ML.Nlft.Monitoring;

namespace Microsoft.ML.Nlft.Browser;

/// <summary>The live page with messages from a test in place of a run.</summary>
internal sealed class FakeRun : IDisposable
{
    private readonly LivePage _live = new();
    private readonly HeadlessBrowser _browser;

    public FakeRun(HeadlessBrowser browser, string method = "NLFT")
    {
        _browser = browser;
        browser.RunFirst("window.EventSource = class { constructor() { window.feed = this; } close() { } };");
        browser.Driver.Navigate().GoToUrl(_live.Address);
        string[][] options = [["Training", "Epochs", "10"]];
        Tell("run", new { method, rows = 25, model = "tiny", began = "2026-01-02 03:04 UTC", options });
    }

    /// <summary>Sends a step with a loss.</summary>
    public void Step(int step, int total, double loss) => Tell("step", new
    {
        step, total, epoch = step / 10.0, loss, accuracy = 0.5, salient = 0.02, norm = 3.0, rate = 1e-4, tokens = 100 * step, speed = 100.0,
        elapsed = 1.0 * step, left = 1.0 * (total - step),
    });

    /// <summary>Sends an evaluation of held-out rows.</summary>
    public void Validation(int step, double loss, double? accuracy, bool best) => Tell("validation", new
    {
        step, epoch = step / 10.0, loss, accuracy, answered = accuracy is null ? 0 : 10, best,
        answers = accuracy is null ? [] : new[] { new[] { "2 + 3?", "2 + 3 = 6", "5", "Wrong" }, ["1 + 1?", "2", "2", "Correct"] },
    });

    /// <summary>Sends the curves of an earlier run.</summary>
    public void Earlier(string name, params double[] losses)
    {
        double[][] Points(Func<double, double> of) => [.. losses.Select((loss, i) => new[] { i + 1, of(loss) })];
        Tell("earlier", new { name, loss = Points(loss => loss), accuracy = Points(_ => 0.5), salient = Points(_ => 0.01), norm = Points(_ => 2) });
    }

    /// <summary>Sends that rows were recorded for the map.</summary>
    public void Recorded(int epoch) => Tell("recorded", new { epoch, rows = 2 });

    /// <summary>Sends the end and waits until the page shows everything.</summary>
    public void Show(string? end = null)
    {
        if (end is not null) Tell("end", new { how = end });
        _browser.Draw();
    }

    public void Dispose() => _live.Dispose();

    private void Tell(string kind, object message) => _browser.Run("feed.onmessage({ data: arguments[0] });",
        JsonSerializer.Serialize(new Dictionary<string, object> { [kind] = message }));
}
