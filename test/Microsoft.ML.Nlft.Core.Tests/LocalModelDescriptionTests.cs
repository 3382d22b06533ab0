using Microsoft.Extensions.AI;
using Microsoft.ML.Nlft.Cards;
using Microsoft.ML.Nlft.Chat;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>Saved models: what nlft.json keeps, and what is refused of it.</summary>
[TestClass]
public sealed class LocalModelDescriptionTests : IDisposable
{
    private const string Again = "Name the folder that a model was saved to, or save it again.";
    private const string Remedy = "Restore that model, or name its folder: BaseModelFolder in the options, modelFolder in ML.NET, --model on the "
        + "command line.";

    private static readonly TrainingExample[] Rows = [new() { Question = "1+2?", Response = "4", Judgment = "The sum is wrong.", Answer = "3" },
        new() { Question = "2+2?", Response = "4", Answer = "4" }];

    private readonly ByteModelFolder _base = new();
    private readonly string _saved = Directory.CreateTempSubdirectory("nlft-saved-").FullName;

    public void Dispose()
    {
        _base.Dispose();
        Directory.Delete(_saved, recursive: true);
    }

    [TestMethod]
    public async Task ASavedModelOpensWithItsAdapterPromptsAndSettings_AsModelAndAsChatClient()
    {
        string expected;
        using (var model = LocalModel.Load(_base.Path,
            new() { Trainable = TrainableWeights.Lora, Prompts = new() { BaseUser = "Solve: {question}" } }))
        {
            model.FineTune(Rows, new NaturalLanguageObjective(), new() { Epochs = 5, LearningRate = 0.05 });
            expected = model.Answer(["1+2?"], new() { MaximumNewTokens = 9 })[0].Text;
            model.Save(_saved,
                new() { Prompts = new() { BaseUser = "Solve: {question}" }, Generation = new() { MaximumNewTokens = 9, StopStrings = ["\n\n"] } },
                new ModelCard { BaseModel = "me/base", Method = "NLFT" });
        }

        using var loaded = LocalModel.Load(_saved);
        Assert.AreEqual(expected, loaded.Answer(["1+2?"], loaded.Description!.Settings.Generation)[0].Text);
        Assert.AreEqual("NLFT", loaded.Description.Card!.Method);
        Assert.HasCount(12, loaded.ExportAdapter().Factors);
        using var client = NlftModel.LoadChatClient(_saved);
        var response = await client.GetResponseAsync("1+2?");
        Assert.AreEqual(expected, response.Text);
        Assert.AreEqual(9, response.Usage!.OutputTokenCount);
        Assert.AreEqual(Path.GetFileName(_saved), response.ModelId);
    }

    [TestMethod]
    public void Save_SavedModel_KeepsWhatItKnew()
    {
        using (var model = LocalModel.Load(_base.Path, new() { Trainable = TrainableWeights.Lora }))
        {
            model.Save(_saved,
                new() { QuestionColumnName = "Q",
                Prompts = new() { TemplateVariables = new Dictionary<string, object?> { ["enable_thinking"] = false, ["n"] = 3 } } },
                new ModelCard { BaseModel = "me/base" });
        }
        using (var model = LocalModel.Load(_saved)) model.Save(Path.Combine(_saved, "again"));

        var (first, second) = (LocalModelDescription.Load(_saved), LocalModelDescription.Load(Path.Combine(_saved, "again")));
        Assert.AreEqual("Q", second.Settings.QuestionColumnName);
        Assert.AreEqual(first.BaseModelFingerprint, second.BaseModelFingerprint);
        Assert.AreEqual("me/base", second.Card!.BaseModel);
        Assert.AreEqual("False 3", string.Join(' ', second.Settings.Prompts.TemplateVariables.Values));
        CollectionAssert.AreEqual(File.ReadAllBytes(Path.Combine(_saved, "adapter_model.safetensors")),
            File.ReadAllBytes(Path.Combine(_saved, "again", "adapter_model.safetensors")));
    }

    [TestMethod]
    public void ABareModelIsSavedWithoutAnAdapter_AndOneWithAllWeightsTrainedNotAtAll()
    {
        using (var model = LocalModel.Load(_base.Path)) model.Save(_saved);
        CollectionAssert.AreEqual(new[] { "nlft.json" }, Directory.GetFiles(_saved).Select(Path.GetFileName).ToArray());
        using (var loaded = LocalModel.Load(_saved)) Assert.HasCount(1, loaded.Answer(["x"], new() { MaximumNewTokens = 1 }));
        using var whole = LocalModel.Load(_base.Path, new() { Trainable = TrainableWeights.All });
        Assert.AreEqual($"the model of {_base.Path}: found all of its weights trained; expected an adapter, or nothing trained. Train with "
            + "Trainable = TrainableWeights.Lora.",
            Assert.ThrowsExactly<NlftException>(() => whole.Save(_saved)).Message);
    }

    [TestMethod]
    public void Load_BaseModelGone_NamesEveryPlaceTried()
    {
        using var place = new TemporaryFolder();
        using (var model = LocalModel.Load(_base.Path)) model.Save(place.File("saved"));
        var description = LocalModelDescription.Load(place.File("saved"));
        (description with { BaseModelName = "org/base", BaseModelRelativePath = "../a/b", BaseModelPath = "/nowhere" }).Save(place.File("saved"));
        using var other = new ByteModelFolder(maximumPositions: 512);
        Directory.CreateDirectory(place.File("roots/org"));
        Directory.CreateSymbolicLink(place.File("roots/org/base"), other.Path);
        var locator = new ModelLocator([place.File("roots")], _ => null);
        Assert.AreEqual("base model of saved: found no model in a/b, no model in base, another model in roots/org/base, no model in roots/base, "
            + "no model in roots/models--org--base, no model in /nowhere; expected \"org/base\", the model that was saved, in one of "
            + $"these places. {Remedy} NLFT_MODELS names further folders to search.",
            place.Refusal(() => LocalModel.Load(place.File("saved"), new() { Locator = locator })));
        LocalModel.Load(place.File("saved"), new() { BaseModelFolder = _base.Path, Locator = locator }).Dispose();
        NlftModel.LoadChatClient(place.File("saved"), new() { BaseModelFolder = _base.Path, Locator = locator }).Dispose();
    }

    [TestMethod]
    [DataRow("models/base", "out/tuned", "models/base", "out/tuned", "model", DisplayName = "moved together")]
    [DataRow("base", "tuned", "base", "tuned", "model", DisplayName = "side by side")]
    [DataRow("models/base", "out/tuned", "base", "tuned", "model", DisplayName = "put side by side")]
    [DataRow("models/base", "out/tuned", "roots/base", "tuned", "model", DisplayName = "in a root, by its own name")]
    [DataRow("models/base", "out/tuned", "roots/org/base", "tuned", "org/base", DisplayName = "in a root, by its hub name")]
    [DataRow("models/base", "out/tuned", "hub/models--org--base/snapshots/1f", "tuned", "org/base", DisplayName = "in the hub cache")]
    public void Load_MovedModels_FindsTheBase(string baseBefore, string savedBefore, string baseAfter, string savedAfter, string name)
    {
        using var place = new TemporaryFolder();
        string At(string moved, string path) => place.File(Path.Combine(moved, path));
        Directory.CreateDirectory(Path.GetDirectoryName(At("before", baseBefore))!);
        CopyFolder(_base.Path, At("before", baseBefore));
        using (var model = LocalModel.Load(At("before", baseBefore), new() { BaseModelName = name == "model" ? null : name }))
            model.Save(At("before", savedBefore));
        foreach (var (from, to) in ((string, string)[])[(baseBefore, baseAfter), (savedBefore, savedAfter)])
        {
            Directory.CreateDirectory(Path.GetDirectoryName(At("after", to))!);
            Directory.Move(At("before", from), At("after", to));
        }
        var locator = new ModelLocator([At("after", "roots")], variable => variable == "HF_HUB_CACHE" ? At("after", "hub") : null);

        using var loaded = LocalModel.Load(At("after", savedAfter), new() { Locator = locator });

        Assert.AreEqual(Path.GetFullPath(At("after", baseAfter)), loaded.Folder.Path);
        Assert.AreEqual(name == "model" ? "base" : name, loaded.Name);
    }

    [TestMethod]
    public void Load_FileOfAnOlderVersion_TakesTheFullPath()
    {
        using (var model = LocalModel.Load(_base.Path)) model.Save(_saved);
        (LocalModelDescription.Load(_saved) with { BaseModelName = null, BaseModelRelativePath = null }).Save(_saved);
        using var loaded = LocalModel.Load(_saved, new() { Locator = new ModelLocator([], _ => null) });
        Assert.AreEqual(Path.GetFileName(_base.Path), loaded.Name);
    }

    [TestMethod]
    public void Save_BaseModelsFolder_IsRefused()
    {
        using var model = LocalModel.Load(_base.Path);
        foreach (var path in (string[])[_base.Path, _base.Path + "/", Path.Combine(_base.Path, "x", "..")])
            Assert.AreEqual("the folder of the base model", Assert.ThrowsExactly<NlftException>(() => model.Save(path)).Found);
        Assert.IsFalse(LocalModelDescription.IsIn(_base.Path));
    }

    private static void CopyFolder(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var file in Directory.GetFiles(from)) File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
    }

    [TestMethod]
    public void Load_AnotherBaseModel_IsRefusedBeforeItsWeightsAreRead()
    {
        using (var model = LocalModel.Load(_base.Path)) model.Save(_saved);
        using var other = new ByteModelFolder(maximumPositions: 512);
        using var opened = ModelFolder.Open(other.Path);
        Assert.AreEqual($"base model in {other.Path}: found fingerprint {opened.Fingerprint}; expected "
            + $"{LocalModelDescription.Load(_saved).BaseModelFingerprint}, the model that was saved. {Remedy}",
            Assert.ThrowsExactly<NlftException>(() => LocalModel.Load(_saved, new() { BaseModelFolder = other.Path })).Message);
    }

    [TestMethod]
    [DataRow("{", "found invalid JSON (line 1, column 2: Expected depth to be zero")]
    [DataRow("[1]", "found [1]; expected the description of a saved model: one JSON object. " + Again)]
    [DataRow("null", "found null; expected the description of a saved model: one JSON object. " + Again)]
    [DataRow("""{"format": 1}""", "missing required properties")]
    [DataRow("""{"baseModelPath": null, "baseModelFingerprint": "", "hasAdapter": false, "settings": {}}""", "found ")]
    [DataRow("""{"format": 2, "libraryVersion": "9.0", "baseModelPath": "", "baseModelFingerprint": "", "hasAdapter": false, "settings": {}}""",
        "format: found 2; expected 1. It was written by version 9.0: use that version or a newer one.")]
    public void Load_DamagedDescription_IsRefused(string json, string message)
    {
        File.WriteAllText(Path.Combine(_saved, "nlft.json"), json);
        var fault = Assert.ThrowsExactly<NlftException>(() => LocalModel.Load(_saved)).Message;
        StringAssert.StartsWith(fault, Path.Combine(_saved, "nlft.json"));
        StringAssert.Contains(fault, message);
    }

    [TestMethod]
    public void Load_MissingDescription_IsNamed() => Assert.AreEqual(
        $"{Path.Combine(_saved, "nlft.json")}: found no such file; expected the description of a saved model. {Again}",
        Assert.ThrowsExactly<NlftException>(() => LocalModelDescription.Load(_saved)).Message);
}
