using System.Text.Json;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TestKit;

/// <summary>
/// Tests that an engine computes what transformers and PEFT compute, in float32: every folder of golden/transformers, within the tolerances
/// of its README. A test class derives from this and names its engine.
/// </summary>
public abstract class TransformersConformance
{
    /// <summary>Absolute tolerances of log-probabilities and hidden states, and of logits.</summary>
    private const double ScoreTolerance = 1e-4, LogitTolerance = 3e-4;

    /// <summary>Tolerances of gradients, of a tensor's largest entry, and relative ones of a single loss and of training.</summary>
    private const double GradientTolerance = 1e-4, LossTolerance = 1e-5, TrainingTolerance = 1e-3;

    private const string Prefix = "base_model.model.", Suffix = ".weight", Inner = ".base_layer";

    protected abstract IModelEngine Engine { get; }

    [TestMethod]
    [TestCategory("Conformance")]
    [DynamicData(nameof(TransformersGolden.Names), typeof(TransformersGolden))]
    public void Score_FolderOfTransformers_GivesItsLogProbabilitiesAndHiddenStates(string name)
    {
        using var golden = new TransformersGolden(name);
        using var model = Engine.Load(new ModelLoadOptions { Folder = golden.Folder });
        var all = model.Score([.. golden.Sequences.Select(row => row.Sequence)], hiddenStates: true);
        for (var i = 0; i < all.Count; i++)
        {
            var (sequence, expected) = golden.Sequences[i];
            foreach (var scores in (TokenScores[])[all[i], model.Score([sequence], hiddenStates: true)[0]])
            {
                NumberAssert.AreClose(expected.Doubles("log_probs"), scores.LogProbabilities, ScoreTolerance, $"{name}, sequence {i}, log_probs");
                double[] states = [.. expected.GetProperty("hidden_states").EnumerateArray().SelectMany(row => row.Doubles())];
                NumberAssert.AreClose(states, scores.HiddenStates.ToArray(), ScoreTolerance, $"{name}, sequence {i}, hidden_states");
            }
            using var session = model.StartDecoding([sequence.Tokens], 0);
            NumberAssert.AreClose(expected.Doubles("last_logits"), session.Logits(0).ToArray(), LogitTolerance, $"{name}, sequence {i}, last_logits");
        }
    }

    [TestMethod]
    [TestCategory("Conformance")]
    [DynamicData(nameof(TransformersGolden.Names), typeof(TransformersGolden))]
    public void Decode_FolderOfTransformers_GivesItsGreedyContinuation(string name)
    {
        using var golden = new TransformersGolden(name);
        using var model = Engine.Load(new ModelLoadOptions { Folder = golden.Folder });
        var sequence = golden.Sequences[0].Sequence;
        RequireGreedy(model, sequence.Tokens[..sequence.PromptLength], golden.Root.GetProperty("greedy"), name);
        if (!golden.Root.TryGetProperty("greedy_crossing", out var crossing)) return;
        var prompt = crossing.GetProperty("prompt").Ints();
        RequireGreedy(model, prompt, crossing.GetProperty("with_cache"), $"{name}, crossing");

        foreach (var wanted in crossing.GetProperty("without_cache").Ints())
        {
            using var session = model.StartDecoding([prompt], 0);
            Assert.AreEqual(wanted, ArgMax(session.Logits(0)), $"{name}, crossing without cache, after {prompt.Length} tokens");
            prompt = [.. prompt, wanted];
        }
    }

    [TestMethod]
    [TestCategory("Conformance")]
    [DynamicData(nameof(TransformersGolden.Adapters), typeof(TransformersGolden))]
    public void Train_AdapterOfPeft_GivesItsScoresGradientsAndLosses(string name, string adapterName)
    {
        using var golden = new TransformersGolden(name);
        var expected = golden.Adapter(adapterName);
        var sequence = expected.TryGetProperty("token_ids", out _) ? TransformersGolden.SequenceOf(expected) : golden.Sequences[0].Sequence;
        using var model = Engine.Load(
            new ModelLoadOptions { Folder = golden.Folder, Adapter = golden.LoadAdapter(adapterName), Trainable = TrainableWeights.Lora });
        if (expected.TryGetProperty("vocab_size", out var vocabulary)) Assert.AreEqual(vocabulary.GetInt32(), model.Configuration.VocabularySize);
        var what = $"{name}, {adapterName}";
        NumberAssert.AreClose(expected.Doubles("log_probs"), model.Score([sequence])[0].LogProbabilities, ScoreTolerance, what);
        RequireGreedy(model, sequence.Tokens[..sequence.PromptLength], expected.GetProperty("greedy"), what);
        if (expected.TryGetProperty("gradients", out var gradients))
        {
            Step(model, sequence, out var loss);
            Assert.AreEqual(expected.GetProperty("loss").GetDouble(), loss, LossTolerance * loss, what);
            var actual = model.Export(ModelState.Gradients);
            Assert.HasCount(gradients.EnumerateObject().Count(), actual, what);
            RequireGradients(gradients, NameOf, actual, what);
            model.ClearGradients();
        }
        if (expected.TryGetProperty("training", out var training)) RequireTraining(model, training, sequence, what);
        if (expected.TryGetProperty("trainable", out var trainable))
            Assert.AreEqual(trainable.GetInt64(), model.Export(ModelState.Weights).Sum(tensor => (long)tensor.Values.Length), what);
    }

    [TestMethod]
    [TestCategory("Conformance")]
    [DynamicData(nameof(TransformersGolden.Names), typeof(TransformersGolden))]
    public void Train_AllWeightsOfAFolder_GivesItsGradientsAndLosses(string name)
    {
        using var golden = new TransformersGolden(name);
        if (!golden.Root.TryGetProperty("full", out var expected)) return;
        using var model = Engine.Load(new ModelLoadOptions { Folder = golden.Folder, Trainable = TrainableWeights.All });
        var sequence = golden.Sequences[0].Sequence;
        Step(model, sequence, out var loss);
        Assert.AreEqual(expected.GetProperty("loss").GetDouble(), loss, LossTolerance * loss, name);
        RequireGradients(expected.GetProperty("gradients"), key => key, model.Export(ModelState.Gradients), name);
        model.ClearGradients();
        RequireTraining(model, expected.GetProperty("training"), sequence, name);
    }

    /// <summary>Returns the name in memory of a key of PEFT's files.</summary>
    private static string NameOf(string key)
    {
        var name = key[Prefix.Length..].Replace(Inner, "", StringComparison.Ordinal);
        return name.EndsWith(".lora_A.weight", StringComparison.Ordinal) || name.EndsWith(".lora_B.weight", StringComparison.Ordinal)
            ? name[..^Suffix.Length] : name;
    }

    /// <summary>
    /// A window of two rows of unequal lengths, as transformers' Trainer computes it: every response token of the window counts alike, and norms and
    /// biases do not decay.
    /// </summary>
    [TestMethod]
    [TestCategory("Conformance")]
    [DataRow(TrainableWeights.Lora, "adapter_plain")]
    [DataRow(TrainableWeights.All, "full")]
    public void Train_WindowOfTwoRows_GivesTheLossesOfTheTrainer(TrainableWeights trainable, string part)
    {
        using var golden = new TransformersGolden("llama");
        var accumulated = golden.Root.GetProperty("accumulated");
        var training = accumulated.GetProperty(part);
        TokenSequence[] rows = [.. accumulated.GetProperty("rows").EnumerateArray().Select(TransformersGolden.SequenceOf)];
        var adapter = trainable == TrainableWeights.Lora ? golden.LoadAdapter("plain") : null;
        using var model = Engine.Load(new ModelLoadOptions { Folder = golden.Folder, Adapter = adapter, Trainable = trainable });
        if (training.TryGetProperty("without_weight_decay", out var names))
        {
            var found = model.Export(ModelState.Weights).Select(tensor => tensor.Name).Where(name => !AdamWOptions.Decays(name)).ToArray();
            CollectionAssert.AreEquivalent(names.EnumerateArray().Select(name => name.GetString()).ToArray(), found);
        }
        var (options, rate) = (Golden.Optimizer(training), training.GetProperty("hyper").GetProperty("learning_rate").GetDouble());
        double[] losses = training.Doubles("losses"), norms = training.Doubles("gradient_norms");
        for (var step = 0; step < losses.Length; step++)
        {
            var loss = rows.Sum(row => AddGradients(model, row, rows.Sum(other => other.ResponseLength)));
            Assert.AreEqual(losses[step], loss, TrainingTolerance * losses[step], $"{part}: loss before step {step}");
            Assert.AreEqual(norms[step], model.ApplyGradients(options, rate), TrainingTolerance * norms[step], $"{part}: norm of step {step}");
        }
    }

    private static void RequireTraining(ICausalLanguageModel model, JsonElement training, TokenSequence sequence, string what)
    {
        var (options, rate) = (Golden.Optimizer(training), training.GetProperty("hyper").GetProperty("learning_rate").GetDouble());
        double[] losses = training.Doubles("losses"), norms = training.Doubles("gradient_norms");
        for (var step = 0; step < losses.Length; step++)
        {
            Step(model, sequence, out var loss);
            Assert.AreEqual(losses[step], loss, TrainingTolerance * losses[step], $"{what}: loss before step {step}");
            Assert.AreEqual(norms[step], model.ApplyGradients(options, rate), TrainingTolerance * norms[step], $"{what}: norm of step {step}");
        }
        var last = training.GetProperty("final_loss").GetDouble();
        Assert.AreEqual(last, -model.Score([sequence])[0].LogProbabilities.Average(p => (double)p), TrainingTolerance * last,
            $"{what}: loss after the last step");
    }

    private static void RequireGradients(JsonElement expected, Func<string, string> nameOf, IReadOnlyList<NamedTensor> actual, string what)
    {
        var byName = actual.ToDictionary(tensor => tensor.Name, tensor => tensor.Values);
        foreach (var gradient in expected.EnumerateObject())
        {
            var values = gradient.Value.Doubles();
            NumberAssert.AreClose(values, byName[nameOf(gradient.Name)], GradientTolerance * values.Max(Math.Abs), $"{what}, {gradient.Name}");
        }
    }

    /// <summary>Adds the gradients of the mean negative log-likelihood.</summary>
    private static void Step(ICausalLanguageModel model, TokenSequence sequence, out double loss) =>
        loss = AddGradients(model, sequence, sequence.ResponseLength);

    /// <summary>Adds the gradients of the negative log-likelihood over a number of tokens, and returns it.</summary>
    private static double AddGradients(ICausalLanguageModel model, TokenSequence sequence, int tokens)
    {
        using var pass = model.Forward([sequence]);
        pass.Backward([Enumerable.Repeat(1f / tokens, sequence.ResponseLength).ToArray()]);
        return -pass.Scores[0].LogProbabilities.Sum(p => (double)p) / tokens;
    }

    /// <summary>Decodes beside a shorter sequence, which must change nothing.</summary>
    private static void RequireGreedy(ICausalLanguageModel model, ReadOnlyMemory<int> prompt, JsonElement expected, string what)
    {
        var wanted = expected.Ints();
        using var session = model.StartDecoding([prompt, prompt[..1]], wanted.Length);
        for (var i = 0; i < wanted.Length; i++)
        {
            Assert.AreEqual(wanted[i], ArgMax(session.Logits(0)), $"{what}: greedy token {i}");
            session.Append([wanted[i], ArgMax(session.Logits(1))]);
        }
    }

    private static int ArgMax(ReadOnlySpan<float> logits)
    {
        var best = 0;
        for (var i = 1; i < logits.Length; i++)
            if (logits[i] > logits[best]) best = i;
        return best;
    }
}
