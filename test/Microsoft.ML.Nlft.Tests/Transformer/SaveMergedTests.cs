using Microsoft.ML.Nlft.Cards;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.Tests.Fakes;

namespace Microsoft.ML.Nlft.Tests.Transformer;

[TestClass]
public sealed class SaveMergedTests : ModelTest
{
    private string Folder => Disk.Beside("merged");

    private string Readme => File.ReadAllText(Path.Combine(Folder, "README.md"));

    [TestMethod]
    public void SaveMerged_FineTuned_AnswersAlike()
    {
        var options = Options();
        options.Engine = new ManagedEngine();
        options.Training = options.Training with { LearningRate = 0.3, Epochs = 8 };
        options.Generation = new() { MaximumNewTokens = 12 };
        using var model = Fit(options);
        MLContext.Nlft().SaveMerged(model, Folder);
        using var merged = MLContext.Nlft().LoadBaseModel(Folder, generation: options.Generation);
        using var untrained = MLContext.Nlft().LoadBaseModel(Disk.Folder, generation: options.Generation);

        var answers = Answers(model.Transform(Questions(3)));
        CollectionAssert.AreEqual(answers, Answers(merged.Transform(Questions(3))));
        CollectionAssert.AreNotEqual(answers, Answers(untrained.Transform(Questions(3))));
        CollectionAssert.AreEquivalent(new[] { "README.md", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json" },
            Directory.GetFiles(Folder).Select(Path.GetFileName).ToArray());
    }

    [TestMethod]
    public void Card_Run_HoldsOptionsAndCallersData()
    {
        var options = Options();
        options.TimeProvider = new StoppedClock();
        using var model = Fit(options);
        MLContext.Nlft().SaveMerged(model, Folder, model.Card with
        {
            BaseModel = "org/name",
            Evaluation = new ModelCardEvaluation("test set", 1, 0, 2),
        });
        string[] lines =
        [
            "base_model: \"org/name\"", "library_name: transformers", "Trained on 2030-05-06.", "3 rows: 1 with a right response, 2 with a wrong "
                + "one and a judgment of it.",
            "- Steps: 4", "| `Epochs` | `2` |", "| `LearningRate` | `0.5` |", "| `Rank` | `2` |", "| `SalientLevel` | `0.95` |", "| `BaseUser` | "
                + "`\"{question}\"` |",
            "- Exact match on `test set`: 1 of 2, 50.0 % (95 % Wilson interval 9.5 % to 90.5 %); 0 without a final answer",
        ];
        foreach (var line in lines) StringAssert.Contains(Readme, $"\n{line}\n");
    }

    [TestMethod]
    public void Load_SavedModel_KeepsItsCard()
    {
        using (var model = Fit()) MLContext.Nlft().Save(model, Disk.Beside("saved"), model.Card with { BaseModel = "org/\"name\"" });
        using var loaded = MLContext.Nlft().Load(Disk.Beside("saved"), engine: Engine);
        MLContext.Nlft().Save(loaded, Disk.Beside("again"));
        MLContext.Nlft().SaveMerged(loaded, Folder);

        Assert.AreEqual(File.ReadAllText(Path.Combine(Disk.Beside("saved"), "README.md")),
            File.ReadAllText(Path.Combine(Disk.Beside("again"), "README.md")));
        StringAssert.Contains(Readme, "\n- Steps: 4\n");
        StringAssert.Contains(Readme, "\nbase_model: \"org/\\\"name\\\"\"\n");
    }

    [TestMethod]
    public void SaveMerged_NoAdapterOrFolderInUse_IsRefused()
    {
        using (var bare = BaseModel())
        {
            Assert.AreEqual($"model to merge: found a base model without an adapter; expected a fine-tuned model. Use the base model's folder as it "
                + $"is: {Disk.Folder}.",
                Assert.ThrowsExactly<NlftException>(() => MLContext.Nlft().SaveMerged(bare, Folder)).Message);
        }
        using var model = Fit();
        Assert.AreEqual("another folder", Assert.ThrowsExactly<NlftException>(() => MLContext.Nlft().SaveMerged(model, Disk.Folder)).Expected);
        Assert.IsFalse(Directory.Exists(Folder));
        Assert.IsFalse(File.Exists(Path.Combine(Disk.Folder, "README.md")));
    }

    private sealed class StoppedClock : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => new(2030, 5, 6, 7, 8, 9, TimeSpan.Zero);
    }
}
