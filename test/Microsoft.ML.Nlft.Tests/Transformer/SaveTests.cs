using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tests.Fakes;

namespace Microsoft.ML.Nlft.Tests.Transformer;

[TestClass]
public sealed class SaveTests : ModelTest
{
    private string Folder => Disk.Beside("saved");

    private string Description => Path.Combine(Folder, "nlft.json");

    [TestMethod]
    public void Load_SavedModel_RestoresAdapterAndSettings()
    {
        var options = Options();
        options.Generation = new() { MaximumBatchSize = 3, MaximumNewTokens = 40, StopStrings = ["\n\n"] };
        options.Prompts = new() { MaximumTokens = 500 };
        using var model = Fit(options);
        var answers = Answers(model.Transform(Questions(5)));

        MLContext.Nlft().Save(model, Folder);
        using var loaded = MLContext.Nlft().Load(Folder, engine: Engine);

        CollectionAssert.AreEqual(answers, Answers(loaded.Transform(Questions(5))));
        CollectionAssert.AreEqual(Weights(model), Weights(loaded));
        Assert.AreEqual(40, loaded.Generation.MaximumNewTokens);
        Assert.AreEqual(3, loaded.Generation.MaximumBatchSize);
        CollectionAssert.AreEqual(new[] { "\n\n" }, loaded.Generation.StopStrings.ToArray());
        Assert.AreEqual(500, loaded.Settings.Prompts.MaximumTokens);
        Assert.AreEqual(TrainableWeights.None, Engine.Options!.Trainable);
    }

    [TestMethod]
    public void Save_Folder_IsAPeftAdapterWithDescription()
    {
        using var model = Fit();
        MLContext.Nlft().Save(model, Folder);

        CollectionAssert.AreEquivalent(new[] { "README.md", "adapter_config.json", "adapter_model.safetensors", "nlft.json" },
            Directory.GetFiles(Folder).Select(Path.GetFileName).ToArray());
        StringAssert.Contains(File.ReadAllText(Description), "\"baseModelFingerprint\"");
        using var opened = ModelFolder.Open(Disk.Folder);
        StringAssert.Contains(File.ReadAllText(Description), opened.Fingerprint);
    }

    [TestMethod]
    [DataRow(null)]
    [DataRow("me/base")]
    public void Save_BaseModelName_StandsInPublishedFilesInsteadOfAFolder(string? name)
    {
        var options = Options();
        options.BaseModelName = name;
        using var model = Fit(options);
        MLContext.Nlft().Save(model, Folder);

        Assert.AreEqual(name ?? Path.GetFileName(Disk.Folder), LoraAdapter.Load(Folder).BaseModel);
        foreach (var file in (string[])["adapter_config.json", "README.md"])
            Assert.DoesNotContain(Path.GetDirectoryName(Disk.Folder)!, File.ReadAllText(Path.Combine(Folder, file)));
    }

    [TestMethod]
    public void LoadBaseModel_SavedModel_IsRefused()
    {
        using (var model = Fit()) MLContext.Nlft().Save(model, Folder);
        var expected = $"{Folder}: found a saved model; expected the folder of a base model in Hugging Face layout. Open it with "
            + $"mlContext.Nlft().Load, or name its base model: {Disk.Folder}.";
        var options = Options();
        options.ModelFolder = Folder;

        Assert.AreEqual(expected, Assert.ThrowsExactly<NlftException>(() => MLContext.Nlft().LoadBaseModel(Folder, engine: Engine)).Message);
        Assert.AreEqual(expected, Assert.ThrowsExactly<NlftException>(() => Fit(options)).Message);
    }

    [TestMethod]
    public void Save_Twice_ReplacesTheFiles()
    {
        using var first = Fit();
        MLContext.Nlft().Save(first, Folder);
        var options = Options();
        options.Training = options.Training with { Epochs = 4 };
        using var second = Fit(options);
        MLContext.Nlft().Save(second, Folder);
        using var loaded = MLContext.Nlft().Load(Folder, engine: Engine);

        CollectionAssert.AreEqual(Weights(second), Weights(loaded));
        Assert.AreEqual(4, Directory.GetFiles(Folder).Length, "no temporary file stays");
    }

    [TestMethod]
    public void Save_BaseModel_HasNoAdapter()
    {
        using var model = BaseModel();
        MLContext.Nlft().Save(model, Folder);
        using var loaded = MLContext.Nlft().Load(Folder, engine: Engine);

        Assert.IsNull(loaded.Adapter);
        CollectionAssert.AreEqual(Answers(model.Transform(Questions(2))), Answers(loaded.Transform(Questions(2))));
    }

    [TestMethod]
    public void Load_MovedBaseModel_TakesTheNamedFolder()
    {
        using (var model = Fit()) MLContext.Nlft().Save(model, Folder);
        var moved = Disk.Move("elsewhere");

        var error = Assert.ThrowsExactly<NlftException>(() => MLContext.Nlft().Load(Folder, engine: Engine));
        StringAssert.Contains(error.Message, "name its folder: BaseModelFolder in the options, modelFolder in ML.NET");
        StringAssert.Contains(error.Found, "model");
        using var loaded = MLContext.Nlft().Load(Folder, moved, Engine);
        Assert.AreEqual(1, Answers(loaded.Transform(Questions(1))).Count);
    }

    [TestMethod]
    public void Load_DifferentBaseModel_IsRefused()
    {
        using (var model = Fit()) MLContext.Nlft().Save(model, Folder);
        using var other = new ModelOnDisk(normEpsilon: 1e-6);

        var error = Assert.ThrowsExactly<NlftException>(() => MLContext.Nlft().Load(Folder, other.Folder, Engine));

        StringAssert.StartsWith(error.Subject, "base model in ");
        StringAssert.StartsWith(error.Found, "fingerprint ");
        Assert.AreEqual(1, Engine.Loaded, "refused before the weights are read");
    }
}
