using System.Text.Json;

namespace Microsoft.ML.Nlft.Tool.Tests.Commands;

/// <summary>Models by name, what is written and what is never written over, results for programs.</summary>
[TestClass]
public sealed class ModelsTests : IDisposable
{
    private readonly ToolRun _tool = new();

    public void Dispose() => _tool.Dispose();

    private static void Copy(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var file in Directory.GetFiles(from)) File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
    }

    private void Cache(string repository, string revision = "0123abcd")
    {
        var place = _tool.PathOf($"cache/hub/models--{repository.Replace("/", "--")}");
        Copy(_tool.Model, Path.Combine(place, "snapshots", revision));
        Directory.CreateDirectory(Path.Combine(place, "refs"));
        File.WriteAllText(Path.Combine(place, "refs", "main"), revision);
        _tool.Variables["HF_HOME"] = _tool.PathOf("cache");
    }

    private static JsonElement[] Objects(string lines) => [.. lines.TrimEnd().Split('\n').Select(line => JsonElement.Parse(line))];

    [TestMethod]
    public void Models_UsualFolders_ListsWhatRunsAndWhy()
    {
        Cache("org/tiny");
        Copy(_tool.Model, _tool.PathOf("models/own"));
        Copy(_tool.Model, _tool.PathOf("elsewhere/team/other"));
        File.WriteAllText(_tool.PathOf("elsewhere/team/other/config.json"), """{"model_type": "bert"}""");
        _tool.Variables["NLFT_MODELS"] = _tool.PathOf("elsewhere");

        var listed = Objects(_tool.Succeed("models --json"));

        Assert.AreEqual("own other org/tiny", string.Join(' ', listed.Select(model => model.GetProperty("name").GetString())));
        Assert.AreEqual("True False True", string.Join(' ', listed.Select(model => model.GetProperty("runs").GetBoolean())));
        Assert.AreEqual("bert", listed[1].GetProperty("modelType").GetString());
        StringAssert.Contains(listed[1].GetProperty("reason").GetString(), "bert");
        Assert.AreEqual(new FileInfo(Path.Combine(_tool.Model, "model.safetensors")).Length, listed[0].GetProperty("bytes").GetInt64());
        StringAssert.Contains(_tool.Succeed("models"), "hf download ");
    }

    [TestMethod]
    public void Models_NothingThere_SaysHowToGetOne() => StringAssert.StartsWith(_tool.Succeed("models"), "No models.");

    [TestMethod]
    public void Train_HubName_PublishesTheNameAndNoFolder()
    {
        Cache("org/tiny");
        _tool.WriteRows();
        _tool.Succeed("train --model org/tiny --data rows.csv --output tuned --epochs 1");

        StringAssert.Contains(File.ReadAllText(_tool.PathOf("tuned/adapter_config.json")), "\"base_model_name_or_path\": \"org/tiny\"");
        StringAssert.Contains(File.ReadAllText(_tool.PathOf("tuned/README.md")), "base_model: \"org/tiny\"");
        foreach (var file in (string[])["adapter_config.json", "README.md"])
            Assert.IsFalse(File.ReadAllText(_tool.PathOf($"tuned/{file}")).Contains(_tool.Folder), file);
        Directory.CreateDirectory(_tool.PathOf("deep"));
        Directory.Move(_tool.PathOf("tuned"), _tool.PathOf("deep/tuned"));
        Directory.Move(_tool.PathOf("cache"), _tool.PathOf("moved"));
        _tool.Variables["HF_HOME"] = _tool.PathOf("moved");
        _tool.Succeed("generate --adapter deep/tuned --question 2+3? --maximum-new-tokens 2"); // only the cache has the name
    }

    [TestMethod]
    [DataRow("", "model")]
    [DataRow("--base-model-name me/base", "me/base")]
    public void Train_BaseModelName_IsTheFoldersOwnOrTheGivenOne(string flags, string expected)
    {
        _tool.WriteRows();
        _tool.Succeed($"train --model MODEL --data rows.csv --output tuned --epochs 1 {flags}");

        using var peft = JsonDocument.Parse(File.ReadAllText(_tool.PathOf("tuned/adapter_config.json")));
        Assert.AreEqual(expected, peft.RootElement.GetProperty("base_model_name_or_path").GetString());
        Assert.AreEqual(expected, LocalModelDescription.Load(_tool.PathOf("tuned")).BaseModelName);
    }

    [TestMethod]
    public void Train_Overwrite_ReplacesOnlyWhenAsked()
    {
        _tool.WriteRows();
        _tool.Succeed("train --model MODEL --data rows.csv --output tuned --epochs 1");
        Assert.AreEqual(ExitCode.BadInput, _tool.Run("train --model MODEL --data rows.csv --output tuned --epochs 2"));
        StringAssert.Contains(_tool.Error, "--overwrite");
        _tool.Succeed("train --model MODEL --data rows.csv --output tuned --epochs 2 --overwrite");
    }

    [TestMethod]
    [DataRow("train", "lora")]
    [DataRow("train", "all")]
    [DataRow("merge", "lora")]
    public void Output_LinkToTheBaseModel_IsRefused(string command, string weights)
    {
        if (OperatingSystem.IsWindows()) Assert.Inconclusive("Links need a right.");
        _tool.WriteRows();
        _tool.Succeed("train --model MODEL --data rows.csv --output tuned --epochs 1");
        Directory.CreateSymbolicLink(_tool.PathOf("link"), Path.GetDirectoryName(_tool.Model)!);
        var before = Directory.GetFiles(_tool.Model);
        var run = command == "merge" ? "merge --adapter tuned --output" : $"train --model MODEL --data rows.csv --weights {weights} --output";

        Assert.AreEqual(ExitCode.BadInput, _tool.Run($"{run} link/{Path.GetFileName(_tool.Model)} --overwrite"));

        StringAssert.Contains(_tool.Error, "found the folder of the base model");
        CollectionAssert.AreEqual(before, Directory.GetFiles(_tool.Model));
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Train_FilesLinkedToTheBaseModel_LeavesThoseFilesAlone(bool symbolic)
    {
        if (OperatingSystem.IsWindows()) Assert.Inconclusive("Links need a right.");
        _tool.WriteRows();
        var weights = Path.Combine(_tool.Model, "model.safetensors");
        var before = File.ReadAllBytes(weights);
        Directory.CreateDirectory(_tool.PathOf("whole"));
        if (symbolic) File.CreateSymbolicLink(_tool.PathOf("whole/model.safetensors"), weights);
        else System.Diagnostics.Process.Start("ln", [weights, _tool.PathOf("whole/model.safetensors")]).WaitForExit();

        _tool.Succeed("train --model MODEL --data rows.csv --weights all --output whole --epochs 1 --learning-rate 0.01 --overwrite");

        CollectionAssert.AreEqual(before, File.ReadAllBytes(weights));
        CollectionAssert.AreNotEqual(before, File.ReadAllBytes(_tool.PathOf("whole/model.safetensors")));
    }

    [TestMethod]
    public void Merge_Overwrite_ReplacesAModelAndNothingElse()
    {
        _tool.WriteRows();
        _tool.Succeed("train --model MODEL --data rows.csv --output tuned --epochs 1");
        _tool.Succeed("merge --adapter tuned --output merged");
        File.WriteAllText(_tool.PathOf("merged/old.txt"), "");
        Assert.AreEqual(ExitCode.BadInput, _tool.Run("merge --adapter tuned --output merged"));
        _tool.Succeed("merge --adapter tuned --output merged --overwrite");
        Assert.IsFalse(File.Exists(_tool.PathOf("merged/old.txt")), "the model is replaced as a whole");
        Assert.AreEqual(ExitCode.BadInput, _tool.Run("merge --adapter tuned --output tuned --overwrite"), "an adapter is no model");
        Assert.AreEqual(ExitCode.BadInput, _tool.Run("merge --adapter tuned --output . --overwrite"), "nor is any other folder");
    }

    [TestMethod]
    public void Json_EveryCommand_PrintsTheDocumentedKeys()
    {
        _tool.WriteRows();
        Assert.AreEqual("accuracy lowerBound upperBound correct wrong unanswered total", Keys("evaluate --data rows.csv --json"));
        Assert.AreEqual("name folder modelType parameters layers hiddenSize intermediateSize heads keyValueHeads headSize vocabulary positions "
            + "endOfSequenceIds weightBytes hasWeights rows tokens memory", Keys("inspect --model MODEL --json"));
        Assert.AreEqual("version runtime runtimeIdentifier system processors simdBits memoryBytes engine device threads cuda selfTests passed",
            Keys("doctor --json"));
        Assert.AreEqual("event step totalSteps epoch loss tokenAccuracy salientShare gradientNorm learningRate tokensSeen tokensPerSecond "
            + "secondsLeft", Keys("train --model MODEL --data rows.csv --output tuned --epochs 2 --json"));
        var lines = Objects(_tool.Out);
        Assert.HasCount(3, lines);
        Assert.AreEqual("event steps totalSteps loss cancelled resumedSteps skippedSteps output", Names(lines[^1]));
        Assert.AreEqual(2, lines[^1].GetProperty("steps").GetInt32());

        string Keys(string commandLine) => Names(Objects(_tool.Succeed(commandLine))[0]);
        static string Names(JsonElement line) => string.Join(' ', line.EnumerateObject().Select(member => member.Name));
    }

    [TestMethod]
    public void Generate_QuestionAndOutput_WritesTheRow()
    {
        Assert.AreEqual("", _tool.Succeed("generate --model MODEL --question 2+3? --output answer.jsonl --maximum-new-tokens 3"));

        var row = Objects(File.ReadAllText(_tool.PathOf("answer.jsonl"))).Single();
        Assert.AreEqual("2+3?", row.GetProperty("Question").GetString());
        Assert.AreEqual(JsonValueKind.String, row.GetProperty("Response").ValueKind);
    }

    [TestMethod]
    [DataRow("Training: step 1 of 20, loss 0.1981, salient 12 %, token accuracy 100 %, 988 tokens/s", 52,
        "Training: step 1 of 20, loss 0.1981, salient 12 %")]
    [DataRow("Training: step 1200 of 2000, loss 0.1981, salient 12 %, token accuracy 100 %", 52, "Training: step 1200 of 2000, loss 0.1981")]
    [DataRow("Answering: 1 of 2 answers", 52, "Answering: 1 of 2 answers")]
    [DataRow("Answering", 4, "Answ")]
    [DataRow("a, b, c", 4, "a, b")]
    public void Fit_LongWords_DropsTheLastParts(string words, int width, string expected) =>
        Assert.AreEqual(expected, Display.ProgressDisplay.Fit(words, width));

    [TestMethod]
    public void Completion_Fish_IsAScriptThatAsksTheTool() => StringAssert.Contains(_tool.Succeed("completion fish"), "complete --command nlft");
}
