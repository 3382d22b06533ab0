using System.Text.Json;

namespace Microsoft.ML.Nlft.Tool.Tests.Commands;

/// <summary>The commands take a GGUF file for a model folder.</summary>
[TestClass]
[TestCategory("Conformance")]
public sealed class GgufTests : IDisposable
{
    private readonly ToolRun _tool = new();

    public GgufTests()
    {
        var golden = Fixtures.Path_("golden", "gguf", "q4_1.gguf");
        if (!File.Exists(golden)) Assert.Inconclusive($"skipped: no {golden}");
        Directory.CreateDirectory(_tool.PathOf("models"));
        File.Copy(golden, _tool.PathOf("models/tiny.gguf"));
    }

    public void Dispose() => _tool.Dispose();

    [TestMethod]
    public void Models_GgufFile_IsListed()
    {
        File.WriteAllText(_tool.PathOf("models/broken.gguf"), "GGUF");
        var listed = _tool.Succeed("models --json").TrimEnd().Split('\n').Select(line => JsonElement.Parse(line)).ToList();
        Assert.AreEqual("broken.gguf tiny.gguf", string.Join(' ', listed.Select(model => model.GetProperty("name").GetString())));
        Assert.AreEqual("unknown llama", string.Join(' ', listed.Select(model => model.GetProperty("modelType").GetString())));
        Assert.AreEqual("False True", string.Join(' ', listed.Select(model => model.GetProperty("runs").GetBoolean())));
        Assert.AreEqual("does not run: broken.gguf: found 4 bytes", listed[0].GetProperty("reason").GetString());
        Assert.AreEqual(new FileInfo(_tool.PathOf("models/tiny.gguf")).Length, listed[1].GetProperty("bytes").GetInt64());
    }

    [TestMethod]
    public void Inspect_GgufFile_ShowsTheTypesOfTheFile()
    {
        foreach (var model in (string[])["tiny.gguf", "models/tiny.gguf"])
        {
            var text = _tool.Succeed($"inspect --model {model}");
            StringAssert.Contains(text, "weights in Q4_1");
            StringAssert.Contains(text, ", in memory ");
            StringAssert.Contains(text, "Prompts (plain: the file has no chat template)");
        }
    }

    [TestMethod]
    public void Train_GgufFile_GivesAnAdapterThatFindsItAndMerges()
    {
        _tool.WriteRows();
        _tool.Succeed("train --model models/tiny.gguf --data rows.csv --output tuned --epochs 1");
        StringAssert.Contains(File.ReadAllText(_tool.PathOf("tuned/adapter_config.json")), "\"base_model_name_or_path\": \"tiny.gguf\"");
        _tool.Succeed("generate --model tuned --question w1 --maximum-new-tokens 4");
        var answer = _tool.Succeed("generate --adapter tuned --question w1 --maximum-new-tokens 4");
        _tool.Succeed("merge --adapter tuned --output merged");
        Assert.IsTrue(File.Exists(_tool.PathOf("merged/tokenizer.json")));
        Assert.AreEqual(answer, _tool.Succeed("generate --model merged --question w1 --maximum-new-tokens 4"));
    }
}
