namespace Microsoft.ML.Nlft.Tool.Tests.Commands;

/// <summary>nlft export writes models and adapters as GGUF files.</summary>
[TestClass]
public sealed class GgufExportTests : IDisposable
{
    private readonly ToolRun _tool = new();

    public void Dispose() => _tool.Dispose();

    [TestMethod]
    public void Export_SavedModel_AnswersAsModelAndAdapterDo()
    {
        Train();
        var path = _tool.PathOf("tuned.gguf");
        var said = _tool.Succeed("export --adapter adapter --gguf tuned.gguf --type f32");
        Assert.AreEqual($"6 layers merged, model of type F32 in {path}", said.Trim());
        Assert.Contains("FROM ./tuned.gguf\nPARAMETER stop \"<eos>\"\n", File.ReadAllText(_tool.PathOf("Modelfile")));
        Assert.AreEqual(Answer("--adapter adapter"), Answer("--model tuned.gguf"));

        _tool.Succeed("export --model adapter --gguf same.gguf --type f32"); // a saved model may be named by either option
        Assert.AreEqual(Answer("--adapter adapter"), Answer("--model same.gguf"));
        Assert.IsGreaterThan(0, new FileInfo(_tool.PathOf("same.gguf")).Length);
    }

    [TestMethod]
    public void Export_BaseModel_IsOfTypeF16UnlessAsked()
    {
        Assert.AreEqual($"model of type F16 in {_tool.PathOf("base.gguf")}", _tool.Succeed("export --model MODEL --gguf base.gguf").Trim());
        foreach (var type in new[] { "bf16", "q8_0", "q6_k", "q4_k", "q4_0" })
            Assert.Contains($"model of type {type.ToUpperInvariant()} in ", _tool.Succeed($"export --model MODEL --gguf {type}.gguf --type {type}"));
        _tool.Succeed("export --model base.gguf --gguf again.gguf --type f16");
        CollectionAssert.AreEqual(File.ReadAllBytes(_tool.PathOf("base.gguf"))[^4096..], File.ReadAllBytes(_tool.PathOf("again.gguf"))[^4096..]);
    }

    [TestMethod]
    public void Export_Adapter_IsWrittenAlone()
    {
        Train();
        Assert.AreEqual($"adapter of 6 layers in {_tool.PathOf("a.gguf")}", _tool.Succeed("export --adapter adapter --gguf-adapter a.gguf").Trim());
        Assert.Contains("blk.1.ffn_down.weight.lora_b", System.Text.Encoding.Latin1.GetString(File.ReadAllBytes(_tool.PathOf("a.gguf"))));
    }

    [TestMethod]
    [DataRow("export --gguf m.gguf", "a model is needed: give --model FOLDER or --adapter FOLDER.")]
    [DataRow("export --gguf-adapter a.gguf", "a model is needed: give --model FOLDER or --adapter FOLDER.")]
    [DataRow("export --model MODEL", "Option '--data' is required.")]
    [DataRow("export --data rows.csv", "Option '--output' is required.")]
    [DataRow("export --model MODEL --gguf m.gguf --output rows.csv", "Option '--data' is required.")]
    [DataRow("export --model MODEL --gguf m.gguf --type q5_k", "q5_k")]
    [DataRow("export --model MODEL --gguf-adapter a.gguf", "option --adapter: found nothing; expected the folder of an adapter")]
    public void Export_WhatIsMissing_IsNamed(string command, string message)
    {
        Assert.AreNotEqual(ExitCode.Success, _tool.Run(command));
        Assert.Contains(message, _tool.Error);
    }

    [TestMethod]
    public void Export_FileThatExists_IsReplacedOnlyOnRequest()
    {
        _tool.Write("m.gguf", "kept");
        Assert.AreEqual(ExitCode.BadInput, _tool.Run("export --model MODEL --gguf m.gguf"));
        Assert.Contains("found a file that exists; expected a new file", _tool.Error);
        Assert.AreEqual("kept", File.ReadAllText(_tool.PathOf("m.gguf")));
        _tool.Succeed("export --model MODEL --gguf m.gguf --overwrite");
        Assert.AreEqual("GGUF", File.ReadAllText(_tool.PathOf("m.gguf"))[..4]);
    }

    private void Train()
    {
        _tool.WriteRows();
        _tool.Succeed("train --model MODEL --data rows.csv --output adapter --epochs 3 --learning-rate 0.01");
    }

    private string Answer(string model) => _tool.Succeed($"generate {model} --question 2+3? --maximum-new-tokens 12");
}
