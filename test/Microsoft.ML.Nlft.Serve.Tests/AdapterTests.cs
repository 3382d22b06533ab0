using System.Text.Json;
using Microsoft.ML.Nlft.Tool;

namespace Microsoft.ML.Nlft.Serve.Tests;

/// <summary>Several adapters over one base model, by name.</summary>
[TestClass]
public sealed class AdapterTests
{
    [TestMethod]
    public async Task Post_Adapters_AnswerAsAloneAlsoAtTheSameTime()
    {
        await using var server = await RunningServer.StartAsync("--adapter a={adapters}/a {adapters}/b");
        var expected = new Dictionary<string, string> { ["tiny"] = Answer(server.Model) };
        foreach (var name in new[] { "a", "b" })
        {
            using var model = server.LoadWith(name);
            expected[name] = Answer(model);
        }
        Assert.HasCount(3, expected.Values.Distinct().ToArray());
        var names = Enumerable.Range(0, 12).Select(i => new[] { "b", "tiny", "a", "a" }[i % 4]).ToArray();
        var found = await Task.WhenAll(names.Select(async name =>
            (await server.PostAsync($"{{'model': '{name}', {RunningServer.Question}, 'max_tokens': 20, 'temperature': 1, 'seed': 3}}")).Body));
        CollectionAssert.AreEqual(names.Select(name => expected[name]).ToArray(),
            found.Select(body => body.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()).ToArray());
        CollectionAssert.AreEqual(names, found.Select(body => body.GetProperty("model").GetString()).ToArray());

        static string Answer(LocalModel model) =>
            model.Answer(["What is 2 + 3?"], new() { MaximumNewTokens = 20, Temperature = 1, Seed = 3 })[0].Text;
    }

    [TestMethod]
    public async Task Get_Models_ListsAllAndEach()
    {
        await using var server = await RunningServer.StartAsync("--adapter org/a={adapters}/a b={adapters}/b");
        var list = JsonElement.Parse(await server.Http.GetStringAsync("/v1/models"));
        Assert.AreEqual("list", list.GetProperty("object").GetString());
        CollectionAssert.AreEqual(new[] { "tiny", "org/a", "b" },
            list.GetProperty("data").EnumerateArray().Select(entry => entry.GetProperty("id").GetString()).ToArray());
        var one = JsonElement.Parse(await server.Http.GetStringAsync("/v1/models/org/a"));
        Assert.AreEqual(list.GetProperty("data")[1].GetRawText(), one.GetRawText());
        Assert.AreEqual("model", one.GetProperty("object").GetString());

        var (status, body) = await server.PostAsync($"{{{RunningServer.Question}}}");
        Assert.AreEqual(400, status);
        Assert.AreEqual("'model' is missing; there are 'tiny', 'org/a', 'b'.", Message(body));
        (status, body) = await server.PostAsync($"{{'model': 'c', {RunningServer.Question}}}");
        Assert.AreEqual(404, status);
        Assert.AreEqual("There is no model 'c' here; there are 'tiny', 'org/a', 'b'.", Message(body));
    }

    [TestMethod]
    [DataRow("serve", ExitCode.Usage, "a model is needed: give --model FOLDER. See 'nlft serve --help'.")]
    [DataRow("serve --model MODEL --port 70000", ExitCode.BadInput, "option Port: found 70000; expected 0 to 65535.")]
    [DataRow("serve --model MODEL --host example.org", ExitCode.BadInput, "option Host: found \"example.org\"; expected localhost or an IP address.")]
    [DataRow("serve --model MODEL --host 192.0.2.1 --port 0", ExitCode.BadInput,
        "--host 192.0.2.1 --port 0: found an address that cannot be listened on")]
    [DataRow("serve --model MODEL --maximum-answers 0", ExitCode.BadInput, "option MaximumAnswers: found 0; expected 1 or more.")]
    [DataRow("serve --model MODEL --stop-timeout -1", ExitCode.BadInput, "option StopTimeout: found -1")]
    [DataRow("serve --model MODEL --temperature -1", ExitCode.BadInput, "option Temperature: found -1")]
    [DataRow("serve --model MODEL --adapter MODEL/a MODEL/a", ExitCode.BadInput,
        "option --adapter: found two models named \"a\"; expected a name for each.")]
    [DataRow("serve --model MODEL --adapter =MODEL/a", ExitCode.BadInput, "option --adapter: found a name that is empty; expected NAME=FOLDER.")]
    [DataRow("serve --adapter MODEL/a", ExitCode.BadInput, "base_model_name_or_path: found nothing")]
    [DataRow("serve --model MODEL --api-key ", ExitCode.BadInput, "option --api-key: found an empty key")]
    public async Task Serve_WrongArguments_NamesThem(string command, int code, string message)
    {
        using var folder = new ByteModelFolder();
        using (var model = LocalModel.Load(folder.Path, new() { Trainable = Engines.TrainableWeights.Lora }))
        {
            var adapter = model.ExportAdapter();
            new ModelFiles.LoraAdapter(adapter.Configuration, adapter.Factors).Save(Path.Combine(folder.Path, "a"));
        }
        var error = new StringWriter();
        var console = new ToolConsole { In = TextReader.Null, Out = TextWriter.Null, Error = error, Environment = _ => null };
        var words = command.Split(' ').Select(word => word.Replace("MODEL", folder.Path, StringComparison.Ordinal)).ToArray();
        Assert.AreEqual(code, await new NlftTool(console).RunAsync(words), error.ToString());
        StringAssert.Contains(error.ToString(), message);
    }

    private static string Message(JsonElement body) => body.GetProperty("error").GetProperty("message").GetString()!;
}
