using System.IO.Compression;
using Microsoft.ML.Data;
using Microsoft.ML.Nlft.Tests.Fakes;

namespace Microsoft.ML.Nlft.Tests.Transformer;

/// <summary><c>mlContext.Model.Save</c> and Load; a loaded zip answers on the managed engine.</summary>
[TestClass]
public sealed class ModelZipTests : ModelTest
{
    private string Zip => Disk.Beside("model.zip");

    [TestMethod]
    public void ModelLoad_NewContext_Answers()
    {
        using var model = MLContext.Nlft().Trainers.NaturalLanguageFineTune(OnTheManagedEngine()).Fit(View(ThreeRows));
        var expected = Answers(model.Transform(Questions(3)));

        MLContext.Model.Save(model, Questions(1).Schema, Zip);
        var loaded = new MLContext().Model.Load(Zip, out var schema);

        Assert.IsNotNull(schema.GetColumnOrNull("Question"));
        CollectionAssert.AreEqual(expected, Answers(loaded.Transform(Questions(3))));
    }

    [TestMethod]
    public void ModelLoad_HelperColumns_AreHidden()
    {
        Save(BaseModel());
        var loaded = new MLContext().Model.Load(Zip, out _);

        var names = loaded.GetOutputSchema(Questions(1).Schema).Select(c => c.Name).ToList();
        CollectionAssert.AreEqual(Questions(1).Schema.Select(c => c.Name).Append("GeneratedAnswer").ToList(), names);
    }

    [TestMethod]
    public void PredictionEngine_LoadedZip_Answers()
    {
        using var model = MLContext.Nlft().Trainers.NaturalLanguageFineTune(OnTheManagedEngine()).Fit(View(ThreeRows));
        var expected = Answers(model.Transform(Questions(2)));
        MLContext.Model.Save(model, Questions(1).Schema, Zip);

        var loaded = new MLContext().Model.Load(Zip, out _);
        using var engine = MLContext.Model.CreatePredictionEngine<Row, AnsweredRow>(loaded);

        var answers = Enumerable.Range(0, 2).Select(i => engine.Predict(new Row { Question = $"{i} + {i}?" }).GeneratedAnswer).ToList();
        CollectionAssert.AreEqual(expected, answers);
    }

    [TestMethod]
    public void Restore_Chain_KeepsTheNeighbours()
    {
        var options = Options();
        options.QuestionColumnName = "Prompt";
        var pipeline = MLContext.Transforms.CopyColumns("Prompt", "Question")
            .Append(MLContext.Nlft().Trainers.NaturalLanguageFineTune(options))
            .Append(MLContext.Transforms.CopyColumns("Copied", "GeneratedAnswer"));
        using var model = pipeline.Fit(View(ThreeRows));
        var expected = model.Transform(Questions(5)).GetColumn<string>("Copied").ToList();
        MLContext.Model.Save(model, Questions(1).Schema, Zip);

        using var restored = MLContext.Nlft().Restore(new MLContext().Model.Load(Zip, out _), engine: Engine);
        var batches = Engine.Batches.Count;

        CollectionAssert.AreEqual(expected, restored.Transform(Questions(5)).GetColumn<string>("Copied").ToList());
        Assert.AreEqual("4 1", string.Join(' ', Engine.Batches.Skip(batches)), "a restored model answers in batches");
        Assert.AreEqual(1, restored.OfType<TextGenerationTransformer>().Count());
        CollectionAssert.AreEqual(
            Weights(model.OfType<TextGenerationTransformer>().Single()), Weights(restored.OfType<TextGenerationTransformer>().Single()));
    }

    [TestMethod]
    public void Restore_MovedBaseModel_TakesTheNamedFolder()
    {
        Save(BaseModel());
        var moved = Disk.Move("elsewhere");
        var loaded = new MLContext().Model.Load(Zip, out _);

        StringAssert.Contains(Root(Assert.Throws<Exception>(() => Answers(loaded.Transform(Questions(1))))).Message, "modelFolder");
        using var restored = MLContext.Nlft().Restore(loaded, moved, Engine);
        Assert.AreEqual(1, Answers(restored.Transform(Questions(1))).Count);
    }

    [TestMethod]
    [DataRow("no base64 at all!", "contents that cannot be unpacked")]
    [DataRow("", "contents that cannot be unpacked")]
    [DataRow("AAAA", "contents that cannot be unpacked")]
    [DataRow("ZIP:../outside.txt", "the path ../outside.txt")]
    [DataRow("ZIP:/absolute.txt", "the path /absolute.txt")]
    [DataRow("ZIP:a.txt:a.txt", "contents that cannot be unpacked")]
    [DataRow("BOMB", "files that unpack to more than 32 times their size")]
    public void Unpack_DamagedOrHostileArchive_IsRefused(string contents, string found)
    {
        if (contents == "BOMB" || contents.StartsWith("ZIP:"))
        {
            var bytes = new MemoryStream();
            using (var archive = new ZipArchive(bytes, ZipArchiveMode.Create, leaveOpen: true))
            {
                foreach (var name in contents == "BOMB" ? ["zeros.bin"] : contents.Split(':')[1..])
                {
                    using var entry = archive.CreateEntry(name).Open();
                    for (var i = 0; i < (contents == "BOMB" ? 64 : 0); i++) entry.Write(new byte[1 << 20]);
                }
            }

            contents = Convert.ToBase64String(bytes.ToArray());
        }

        var refusal = Assert.ThrowsExactly<NlftException>(() => ModelZip.Unpack([contents.AsMemory()], Disk.Folder, Engine));
        Assert.AreEqual("model zip", refusal.Subject);
        StringAssert.StartsWith(refusal.Found, found);
    }

    [TestMethod]
    public void Unpack_TwiceTheFiles_AllocatesAboutTwiceAsMuch()
    {
        var bytes = new List<long>();
        foreach (var n in (int[])[250, 500, 1_000, 2_000])
        {
            var archive = new MemoryStream();
            using (var zip = new ZipArchive(archive, ZipArchiveMode.Create, leaveOpen: true))
                for (var i = 0; i < n; i++) zip.CreateEntry($"{i}.txt");
            var chunk = Convert.ToBase64String(archive.ToArray()).AsMemory();
            var before = GC.GetAllocatedBytesForCurrentThread();
            Assert.ThrowsExactly<NlftException>(() => ModelZip.Unpack([chunk], Disk.Folder, Engine)); // no nlft.json among them
            bytes.Add(GC.GetAllocatedBytesForCurrentThread() - before);
        }

        for (var i = 1; i < bytes.Count; i++) Assert.IsLessThan(2.6 * bytes[i - 1] + (1 << 16), bytes[i], string.Join(", ", bytes));
    }

    [TestMethod]
    public void Restore_NoTextGeneration_IsRefused()
    {
        var copy = MLContext.Transforms.CopyColumns("Prompt", "Question").Fit(Questions(1));

        Assert.AreEqual("no text generation in it", Assert.ThrowsExactly<NlftException>(() => MLContext.Nlft().Restore(copy)).Found);
    }

    [TestMethod]
    public void ModelSave_InstructionColumn_IsKept()
    {
        using var model = MLContext.Nlft().LoadBaseModel(Disk.Folder, instructionColumnName: "Response", engine: Engine);
        Save(model);
        using var restored = MLContext.Nlft().Restore(new MLContext().Model.Load(Zip, out _), engine: Engine);

        _ = Answers(restored.Transform(View([new Row { Question = "Why?", Response = "Be brief." }])));

        StringAssert.Contains(Engine.Prompts.Last(), "Be brief.");
    }

    [TestMethod]
    public void ModelSave_AdapterOf9MB_IsKeptWhole()
    {
        var options = Options();
        options.Lora = new() { Rank = 8_000 };
        options.Training = options.Training with { Epochs = 1 };
        using var model = Fit(options);
        Save(model);
        using var restored = MLContext.Nlft().Restore(new MLContext().Model.Load(Zip, out _), engine: Engine);

        Assert.IsTrue(Weights(model).SequenceEqual(Weights((TextGenerationTransformer)restored.LastTransformer)));
    }

    [TestMethod]
    [TestCategory("Slow")]
    public void ModelSave_AdapterAbove32MB_IsKeptWhole()
    {
        var options = Options();
        options.Lora = new() { Rank = 40_000 };
        options.Training = options.Training with { Epochs = 1 };
        using var model = Fit(options);
        Save(model);
        Assert.IsGreaterThan(32L << 20, model.Adapter!.Factors.Sum(factor => (long)factor.Values.Length * sizeof(float)));
        using var restored = MLContext.Nlft().LoadModel(Zip, out _, engine: Engine);

        Assert.IsTrue(Weights(model).SequenceEqual(Weights((TextGenerationTransformer)restored.LastTransformer)));
    }

    [TestMethod]
    public void LoadModel_ZipMovedWithTheBase_FindsItBesideTheZip()
    {
        Save(BaseModel());
        var place = Directory.CreateDirectory(Disk.Beside("moved")).FullName;
        File.Move(Zip, Path.Combine(place, "model.zip"));
        var moved = Disk.Move(Path.Combine("moved", Path.GetFileName(Disk.Folder)));

        using var loaded = MLContext.Nlft().LoadModel(Path.Combine(place, "model.zip"), out var schema, engine: Engine);

        Assert.IsNotNull(schema!.GetColumnOrNull("Question"));
        Assert.AreEqual(Path.GetFullPath(moved), ((TextGenerationTransformer)loaded.LastTransformer).Model.Folder.Path);
    }

    [TestMethod]
    public void LoadModel_BaseModelGone_FailsNowAndNamesThePlaces()
    {
        Save(BaseModel());
        var gone = Disk.Folder;
        Disk.Move("elsewhere");

        var error = Assert.ThrowsExactly<NlftException>(() => MLContext.Nlft().LoadModel(Zip, out _, engine: Engine));

        Assert.AreEqual("base model of the model zip", error.Subject);
        StringAssert.Contains(error.Found, $"no model in {gone}");
        StringAssert.Contains(error.Found, $"no model in {Path.Combine(Path.GetDirectoryName(Zip)!, Path.GetFileName(gone))}");
    }

    private void Save(TextGenerationTransformer model) => MLContext.Model.Save(model, Questions(1).Schema, Zip);

    private NaturalLanguageFineTuneTrainer.Options OnTheManagedEngine()
    {
        var options = Options();
        (options.Engine, options.Generation) = (null, new() { MaximumNewTokens = 8 });
        options.Training = options.Training with { LearningRate = 0.01 };
        return options;
    }

    /// <summary>ML.NET wraps what a mapping or a save throws.</summary>
    private static Exception Root(Exception e) => e is NlftException || e.InnerException is null ? e : Root(e.InnerException);
}
