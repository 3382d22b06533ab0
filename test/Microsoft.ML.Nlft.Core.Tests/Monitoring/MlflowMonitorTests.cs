using System.Text;
using System.Text.Json;
using Microsoft.ML.Nlft.Cards;
using Microsoft.ML.Nlft.Monitoring;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Monitoring;

[TestClass]
public sealed class MlflowMonitorTests
{
    private static readonly MlflowOptions s_options = new() { Experiment = "word problems", Token = null, UserName = null, Password = null };

    [TestMethod]
    public void Run_NewExperiment_IsRecordedWhole()
    {
        using var server = new MlflowStub();
        using (var mlflow = new MlflowMonitor(server.Address, s_options with { RunName = "first", Token = "secret" }))
        {
            mlflow.Begin(Steps.Run);
            for (var step = 1; step <= 3; step++)
                mlflow.Report(Steps.At(step) with { Validation = step == 2 ? [Steps.Evaluation(2)] : [] });
            mlflow.End(new FineTuneResult([], Cancelled: false));
        }

        Assert.AreEqual("experiments/get-by-name?experiment_name=word%20problems", server.Requests[0].Path);
        Assert.AreEqual("word problems", server.Bodies("experiments/create").Single().GetProperty("name").GetString());
        var run = server.Bodies("runs/create").Single();
        Assert.AreEqual(("7", "first"), (run.GetProperty("experiment_id").GetString(), run.GetProperty("run_name").GetString()));
        Assert.AreEqual("NLFT", Pairs(run.GetProperty("tags"))["nlft.method"]);
        var batches = server.Bodies("runs/log-batch").ToList();
        Assert.IsTrue(batches.TrueForAll(batch => batch.GetProperty("run_id").GetString() == "abc"));
        var parameters = Pairs(batches[0].GetProperty("params"));
        Assert.AreEqual(("tiny", "25", "10"), (parameters["model"], parameters["rows"], parameters["Training.Epochs"]));
        var metrics = Metrics(batches);
        Assert.HasCount(3 * 8 + 2, metrics);
        CollectionAssert.AreEqual(new[] { (1L, 1.0), (2L, 0.5), (3L, 1.0 / 3) }, Values(metrics, "loss"));
        CollectionAssert.AreEqual(new[] { (2L, 2.0 / 3) }, Values(metrics, "validation.loss"));
        CollectionAssert.AreEqual(new[] { (2L, 0.5) }, Values(metrics, "validation.accuracy"));
        var end = server.Bodies("runs/update").Single();
        Assert.AreEqual(("abc", "FINISHED"), (end.GetProperty("run_id").GetString(), end.GetProperty("status").GetString()));
        Assert.IsGreaterThanOrEqualTo(run.GetProperty("start_time").GetInt64(), end.GetProperty("end_time").GetInt64());
        Assert.IsTrue(server.Requests.TrueForAll(request => request.Authorization == "Bearer secret"));
        Assert.DoesNotContain("2?", string.Concat(server.Requests.Select(request => request.Body.ToString())), "a question was sent");
    }

    [TestMethod]
    public void Run_LargerThanTheLimits_IsSentInParts()
    {
        using var server = new MlflowStub(hasExperiment: true);
        using var mlflow = new MlflowMonitor(server.Address, s_options with { UserName = "me", Password = "word", Token = "unused" });
        mlflow.Begin(Steps.Run with
        {
            Options = [.. Enumerable.Range(0, 150).Select(i => new ModelCardOption("G", $"Option {i}", new string('x', 9000)))],
        });
        for (var step = 1; step <= 400; step++) mlflow.Report(Steps.At(step) with { Loss = double.NaN });
        mlflow.End(new FineTuneResult([], Cancelled: true));

        Assert.IsEmpty(server.Bodies("experiments/create"));
        var batches = server.Bodies("runs/log-batch").ToList();
        Assert.HasCount(154, batches.SelectMany(batch => batch.TryGetProperty("params", out var some) ? some.EnumerateArray().ToArray() : []));
        Assert.HasCount(3200, Metrics(batches));
        foreach (var batch in batches)
        {
            Assert.IsLessThanOrEqualTo(100, batch.TryGetProperty("params", out var parameters) ? parameters.GetArrayLength() : 0);
            Assert.IsLessThanOrEqualTo(1000, batch.TryGetProperty("metrics", out var metrics) ? metrics.GetArrayLength() : 0);
            Assert.IsLessThan(1 << 20, Encoding.UTF8.GetByteCount(batch.GetRawText()));
        }
        Assert.AreEqual(6000, Pairs(batches[0].GetProperty("params"))["G.Option 0"].Length);
        Assert.AreEqual("NaN", Metrics(batches)[0].GetProperty("value").GetString());
        Assert.AreEqual("KILLED", server.Bodies("runs/update").Single().GetProperty("status").GetString());
        Assert.AreEqual("Basic " + Convert.ToBase64String("me:word"u8), server.Requests[0].Authorization);
    }

    [TestMethod]
    public void Run_ServerThatIsBusy_IsAskedAgain()
    {
        using var server = new MlflowStub(hasExperiment: true, failures: 2);
        using var mlflow = new MlflowMonitor(server.Address, s_options with { Warn = text => Assert.Fail(text) });
        mlflow.Begin(Steps.Run);
        mlflow.End(null);
        Assert.AreEqual("FAILED", server.Bodies("runs/update").Single().GetProperty("status").GetString());
    }

    [TestMethod]
    public void Run_NoServer_SaysSoOnce()
    {
        var messages = new List<string>();
        using var server = new MlflowStub(hasExperiment: true);
        server.Dispose();
        using var mlflow = new MlflowMonitor(server.Address, s_options with { Warn = messages.Add });
        mlflow.Begin(Steps.Run);
        for (var step = 1; step <= 20; step++) mlflow.Report(Steps.At(step));
        mlflow.End(new FineTuneResult([], Cancelled: false));
        mlflow.Report(Steps.At(21));
        Assert.StartsWith($"MLflow at {server.Address.AbsoluteUri.TrimEnd('/')}: found ", messages.Single());
        Assert.EndsWith("The training does not depend on it; the run is not recorded there any further.", messages[0]);
    }

    [TestMethod]
    public void Run_RequestThatIsRefused_SaysWhy()
    {
        var messages = new List<string>();
        using var server = new MlflowStub(hasExperiment: true);
        using var mlflow = new MlflowMonitor(server.Address, s_options with { Experiment = "other", Warn = messages.Add });
        mlflow.Begin(Steps.Run);
        mlflow.End(null);
        Assert.Contains("experiments/get-by-name answered 400: {\"error_code\": \"INVALID_PARAMETER_VALUE\"}", messages.Single());
    }

    [TestMethod]
    public void Construct_OtherAddress_IsRefused()
    {
        Assert.AreEqual("address of the MLflow server: found \"file:///tmp/runs\"; expected an address that begins with http:// or https://. "
            + "Name the server, for example http://localhost:5000.",
            Assert.ThrowsExactly<NlftException>(() => new MlflowMonitor(new Uri("file:///tmp/runs"))).Message);
        Assert.Contains("option Experiment", Assert.ThrowsExactly<NlftException>(() =>
            new MlflowMonitor(new Uri("http://localhost"), new() { Experiment = " " })).Message);
        Assert.DoesNotContain("secret", new MlflowOptions { Token = "secret", Password = "secret" }.ToString());
    }

    private static List<JsonElement> Metrics(List<JsonElement> batches) =>
        [.. batches.SelectMany(batch => batch.TryGetProperty("metrics", out var metrics) ? metrics.EnumerateArray().ToArray() : [])];

    private static (long, double)[] Values(List<JsonElement> metrics, string key) =>
        [.. metrics.Where(metric => metric.GetProperty("key").GetString() == key)
            .Select(metric => (metric.GetProperty("step").GetInt64(), metric.GetProperty("value").GetDouble()))];

    private static Dictionary<string, string> Pairs(JsonElement list) =>
        list.EnumerateArray().ToDictionary(pair => pair.GetProperty("key").GetString()!, pair => pair.GetProperty("value").GetString()!);
}
