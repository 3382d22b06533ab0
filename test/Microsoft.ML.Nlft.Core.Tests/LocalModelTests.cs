using System.Text;
using System.Text.Json;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.Engines.Managed.Layers;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Tests.Training;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>A whole model folder, made by hand: random weights and a tokenizer whose tokens are the 256 bytes and two special tokens.</summary>
[TestClass]
public class LocalModelTests
{
    private const int Vocabulary = 258;

    private static readonly GenerationOptions Short = new() { MaximumNewTokens = 8 };

    private static readonly TrainingExample[] Rows =
    [
        new() { Question = "1+1?", Response = "2", Answer = "2" },
        new() { Question = "1+2?", Response = "4", Judgment = "The sum is wrong.", Answer = "3" },
        new() { Question = "2+2?", Response = "4", Answer = "4", Instruction = "Add." },
    ];

    private string _folder = "";

    [TestInitialize]
    public void CreateFolder()
    {
        _folder = Directory.CreateTempSubdirectory("nlft-model-").FullName;
        ModelInitializer.Create(_folder,
            TinyModels.Configuration with { VocabularySize = Vocabulary, MaximumPositions = 4096, EndOfSequenceIds = [257] }, seed: 3);
        WriteTokenizer(extraTokens: 0);
    }

    [TestCleanup]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    public void Answer_ModelFolder_AnswersQuestions()
    {
        using var model = LocalModel.Load(_folder);
        CollectionAssert.Contains(model.Prompts.StopIds.ToArray(), 257);
        var answers = model.Answer(["1+1?", "What is 1+2?"], Short);
        Assert.HasCount(2, answers);
        var alone = new TextGenerator(model.Network, model.Tokenizer, [.. model.Prompts.StopIds])
            .Generate([model.Prompts.EncodeQuestion("What is 1+2?")], Short)[0];
        Assert.AreEqual(alone.Text, answers[1].Text);
        CollectionAssert.AreEqual(alone.Tokens.ToArray(), answers[1].Tokens.ToArray());
        Assert.IsEmpty(model.Answer([]));
    }

    [TestMethod]
    public void Load_SharedWith_HoldsTheBaseModelOnce()
    {
        using var model = LocalModel.Load(_folder);
        var adapter = LoraAdapter.Create(new() { Rank = 2 }, model.Folder, seed: 1);
        using var shared = LocalModel.Load(_folder, new() { Adapter = adapter, SharedWith = model });
        foreach (var (first, second) in Linears(model).Zip(Linears(shared))) Assert.AreSame(first.Weight, second.Weight);
        Assert.IsTrue(Linears(shared).Any(linear => linear.Lora is not null));
        Assert.IsTrue(Linears(model).All(linear => linear.Lora is null));

        using var other = new ByteModelFolder();
        var refusal = Assert.ThrowsExactly<NlftException>(() => LocalModel.Load(other.Path, new() { SharedWith = model }));
        Assert.AreEqual($"{other.Path}: found another base model than {_folder}, whose weights it should share; expected the same base model, "
            + "frozen. Open it on its own.", refusal.Message);
        StringAssert.StartsWith(Assert.ThrowsExactly<NlftException>(() =>
            LocalModel.Load(_folder, new() { SharedWith = model, Trainable = TrainableWeights.All })).Message, "option SharedWith: found ");

        model.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => LocalModel.Load(_folder, new() { SharedWith = model }));
        Assert.HasCount(1, shared.Answer(["1+1?"], Short));

        static IEnumerable<Linear> Linears(LocalModel model) =>
            ((ManagedLanguageModel)model.Network).Network.Layers.SelectMany(layer => layer.Linears);
    }

    [TestMethod]
    public async Task AnswerStreaming_Pieces_JoinToTheAnswer()
    {
        using var model = LocalModel.Load(_folder);
        var text = new StringBuilder();
        await foreach (var piece in model.AnswerStreaming("1+1?", Short)) text.Append(piece);
        Assert.AreEqual(model.Answer(["1+1?"], Short)[0].Text, text.ToString());
    }

    /// <summary>An adapter with an enlarged vocabulary keeps it through training.</summary>
    [TestMethod]
    public void FineTune_AdapterWithAnEnlargedEmbedding_KeepsItAndIsLoadedAgain()
    {
        var configuration = TinyModels.Configuration with { VocabularySize = Vocabulary };
        var fresh = LoraAdapter.Create(new LoraConfiguration { Rank = 2 }, configuration, seed: 1);
        var rows = new float[(Vocabulary + 2) * configuration.HiddenSize];
        for (var i = 0; i < rows.Length; i++) rows[i] = MathF.Sin(i);
        var embedding = new NamedTensor("model.embed_tokens.weight", [Vocabulary + 2, configuration.HiddenSize], rows);
        var adapter = new LoraAdapter(fresh.Configuration, [.. fresh.Factors, embedding]);
        var folder = Path.Combine(_folder, "enlarged");
        string answer;
        using (var model = LocalModel.Load(_folder, new() { Trainable = TrainableWeights.Lora, Adapter = adapter }))
        {
            Assert.AreEqual(Vocabulary + 2, model.Network.Configuration.VocabularySize);
            model.FineTune(Rows, new NaturalLanguageObjective(), new() { Epochs = 1, LearningRate = 0.05 });
            CollectionAssert.AreEqual(rows, model.ExportAdapter().Factors.Single(factor => factor.Name == embedding.Name).Values);
            answer = model.Answer(["1+1?"], Short)[0].Text;
            model.Save(folder);
        }
        using var again = LocalModel.Load(folder, new() { BaseModelFolder = _folder });
        Assert.AreEqual(answer, again.Answer(["1+1?"], Short)[0].Text);
    }

    [TestMethod]
    public void FineTune_SavedAndLoaded_AnswersTheSame()
    {
        var adapterFolder = Path.Combine(_folder, "adapter");
        string[] before, after;
        using (var model = LocalModel.Load(_folder, new() { Trainable = TrainableWeights.Lora }))
        {
            Assert.AreEqual(16, model.Network.Lora!.Rank, "the published settings");
            before = Answers(model);
            var steps = new List<TrainingProgress>();
            var result = model.FineTune(Rows, new NaturalLanguageObjective(), new() { Epochs = 10, BatchSize = 2, LearningRate = 0.05 },
                new Listener(steps.Add));
            Assert.HasCount(20, result.Steps);
            Assert.HasCount(20, steps);
            after = Answers(model);
            model.ExportAdapter().Save(adapterFolder);
        }

        CollectionAssert.AreNotEqual(before, after);
        using var loaded = LocalModel.Load(_folder, new() { Adapter = LoraAdapter.Load(adapterFolder) });
        CollectionAssert.AreEqual(after, Answers(loaded));

        static string[] Answers(LocalModel model) =>
            [.. model.Answer([.. Rows.Select(row => row.Question)], Short).Select(answer => string.Join(' ', answer.Tokens))];
    }

    [TestMethod]
    public void ExportAdapter_NoAdapter_IsRefused()
    {
        using var model = LocalModel.Load(_folder);
        Assert.AreEqual($"the model of {_folder}: found no adapter; expected an adapter. Load it with Trainable = TrainableWeights.Lora or with "
            + "an Adapter.",
            Assert.ThrowsExactly<NlftException>(model.ExportAdapter).Message);
    }

    [TestMethod]
    public void Load_TokenizerWithMoreIdsThanTheNetwork_IsRefused()
    {
        WriteTokenizer(extraTokens: 1);
        Assert.AreEqual($"the tokenizer of {_folder}: found the token extra0 with the id 258; expected ids below 258, the rows of the model's "
            + "embedding (vocab_size of config.json). Use the tokenizer files that were published with these weights.",
            Assert.ThrowsExactly<NlftException>(() => LocalModel.Load(_folder)).Message);
    }

    [TestMethod]
    public void Dispose_Network_ClosesBeforeTheFolderThatItReads()
    {
        var engine = new TableEngine();
        LocalModel.Load(_folder, new() { Engine = engine }).Dispose();
        Assert.IsTrue(engine.FolderWasOpenWhenNetworkClosed);
        Assert.ThrowsExactly<ObjectDisposedException>(() => engine.ReadWeights());
    }

    [TestMethod]
    public void Load_EngineFails_LeavesNoOpenFolder()
    {
        var engine = new TableEngine { Failure = new InvalidOperationException("no device") };
        Assert.AreEqual("no device",
            Assert.ThrowsExactly<InvalidOperationException>(() => LocalModel.Load(_folder, new() { Engine = engine })).Message);
        Assert.ThrowsExactly<ObjectDisposedException>(() => engine.ReadWeights());
    }

    private void WriteTokenizer(int extraTokens)
    {
        // GPT-2's alphabet: printable bytes stand for themselves, the others for the characters from U+0100 on.
        var printable = Enumerable.Range('!', '~' - '!' + 1).Concat(Enumerable.Range(0xA1, 12)).Concat(Enumerable.Range(0xAE, 82)).ToHashSet();
        var next = 0x100;
        var vocabulary = Enumerable.Range(0, 256).ToDictionary(b => ((char)(printable.Contains(b) ? b : next++)).ToString(), b => b);
        foreach (var i in Enumerable.Range(0, extraTokens)) vocabulary[$"extra{i}"] = Vocabulary + i;
        object Added(int id, string content) =>
            new { id, content, special = true, single_word = false, lstrip = false, rstrip = false, normalized = false };
        File.WriteAllText(Path.Combine(_folder, "tokenizer.json"), JsonSerializer.Serialize(new
        {
            added_tokens = new[] { Added(256, "<s>"), Added(257, "</s>") },
            pre_tokenizer = new { type = "ByteLevel", add_prefix_space = false, trim_offsets = true, use_regex = true },
            decoder = new { type = "ByteLevel", add_prefix_space = true, trim_offsets = true, use_regex = true },
            model = new { type = "BPE", vocab = vocabulary, merges = Array.Empty<string>() },
        }));
        File.WriteAllText(Path.Combine(_folder, "tokenizer_config.json"), """{ "bos_token": "<s>", "eos_token": "</s>" }""");
    }

    /// <summary>An engine that lends the folder to a network which looks, while it closes, whether the folder is still open.</summary>
    private sealed class TableEngine : IModelEngine
    {
        private ModelFolder? _folder;

        public Exception? Failure { get; init; }

        public bool FolderWasOpenWhenNetworkClosed { get; private set; }

        public string Name => "table";

        public ICausalLanguageModel Load(ModelLoadOptions options, CancellationToken cancellationToken = default)
        {
            _folder = options.Folder;
            return Failure is null ? new TableLanguageModel(Vocabulary) { OnDispose = () => FolderWasOpenWhenNetworkClosed = ReadWeights() }
                : throw Failure;
        }

        public bool ReadWeights()
        {
            var name = _folder!.TensorNames.First(tensor => tensor.EndsWith("norm.weight"));
            return _folder.Tensor(name, TinyModels.Configuration.HiddenSize).Bytes.Span.Length > 0;
        }
    }
}
