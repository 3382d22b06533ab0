using System.Text.Json;
using Microsoft.ML.Nlft.ChatTemplates;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Tests.ModelFiles.Gguf;

/// <summary>SmolLM2-135M-Instruct from its GGUF file says and learns what transformers and PEFT say and learn.</summary>
[TestClass]
[TestCategory("Conformance")]
public sealed class RealModelTests
{
    private const double Tolerance = 1e-3, RelativeTolerance = 1e-3, NearTie = 3e-3;

    private static TokenSequence Sequence(JsonElement item) =>
        new(item.GetProperty("token_ids").Ints(), item.GetProperty("prompt_length").GetInt32());

    private static AdamWOptions Optimizer(JsonElement optimizer) => new()
    {
        Beta1 = optimizer.GetProperty("beta1").GetDouble(), Beta2 = optimizer.GetProperty("beta2").GetDouble(),
        Epsilon = optimizer.GetProperty("epsilon").GetDouble(), WeightDecay = optimizer.GetProperty("weight_decay").GetDouble(),
        MaximumGradientNorm = optimizer.GetProperty("max_gradient_norm").GetDouble(),
    };

    private static ICausalLanguageModel Load(ModelFolder folder, TrainableWeights trainable = TrainableWeights.None, LoraAdapter? adapter = null) =>
        new ManagedEngine().Load(new ModelLoadOptions { Folder = folder, Trainable = trainable, Adapter = adapter });

    [TestMethod]
    public void Render_Chats_GivesTheirTextsAndIds()
    {
        using var json = RealModel.Expected("tokenizer_expected.json");
        var (template, tokenizer) = (ChatTemplate.Load(RealModel.Path)!, HuggingFaceTokenizer.Load(RealModel.Path));
        var chats = json.RootElement.GetProperty("chats");
        Assert.AreEqual(44, chats.GetArrayLength());
        foreach (var chat in chats.EnumerateArray())
        {
            ChatTurn[] turns = [.. chat.GetProperty("messages").EnumerateArray()
                .Select(turn => new ChatTurn(turn.GetProperty("role").GetString()!, turn.GetProperty("content").GetString()!))];
            var text = template.Render(turns, chat.GetProperty("add_generation_prompt").GetBoolean());
            Assert.AreEqual(chat.GetProperty("rendered").GetString(), text);
            CollectionAssert.AreEqual(chat.GetProperty("ids").Ints(), tokenizer.Encode(text, addSpecialTokens: false), text);
        }
    }

    [TestMethod]
    public void Open_FileAndFolderBesideIt_DescribeOneModel()
    {
        using var json = RealModel.Expected("expected.json");
        using var model = ModelFolder.Open(RealModel.Path);
        var folder = ModelConfiguration.Load(Path.GetDirectoryName(RealModel.Path)!);
        Assert.AreEqual(folder with { DataType = null, SlidingWindows = [], EndOfSequenceIds = [] },
            model.Configuration with { DataType = null, SlidingWindows = [], EndOfSequenceIds = [] });
        CollectionAssert.AreEqual(folder.EndOfSequenceIds.ToArray(), model.EndOfSequenceIds.ToArray());
        Assert.AreEqual(134_515_008, ModelLayout.Weights(model.Configuration).Sum(weight => weight.Shape.Aggregate(1L, (n, size) => n * size)));
        Assert.AreEqual(("Q4_1", 576 * 576 / 32 * 20L, 576 * 576 / 32 * 24L), model.StoredAs("model.layers.0.self_attn.q_proj.weight"));
        Assert.IsLessThan(134_515_008L, model.WeightBytes, "a weight takes less than a byte");
    }

    [TestMethod]
    [TestCategory("Slow")]
    public void Score_TwentySequences_GivesTheirLogProbabilitiesAndNorms()
    {
        using var json = RealModel.Expected("expected.json");
        using var folder = ModelFolder.Open(RealModel.Path);
        using var model = Load(folder);
        var sequences = json.RootElement.GetProperty("sequences").EnumerateArray().ToList();
        Assert.HasCount(20, sequences);
        foreach (var item in sequences)
        {
            var scores = model.Score([Sequence(item)], hiddenStates: true)[0];
            NumberAssert.AreClose(item.GetProperty("log_probs").Doubles(), scores.LogProbabilities, Tolerance, "log-probabilities");
            var (norms, width) = (item.GetProperty("hidden_norms").Doubles(), folder.Configuration.HiddenSize);
            for (var i = 0; i < norms.Length; i++)
            {
                var norm = Math.Sqrt(scores.HiddenStates.Slice(i * width, width).ToArray().Sum(value => (double)value * value));
                Assert.AreEqual(norms[i], norm, RelativeTolerance * norms[i], $"norm {i}");
            }
        }
    }

    [TestMethod]
    [TestCategory("Slow")]
    public void Decode_ThirtyQuestions_GivesTheAnswersUpToNearTies()
    {
        using var json = RealModel.Expected("expected.json");
        using var folder = ModelFolder.Open(RealModel.Path);
        using var model = Load(folder);
        var all = json.RootElement.GetProperty("greedy").EnumerateArray().ToList();
        Assert.HasCount(30, all);
        var compared = 0;
        foreach (var batch in all.Chunk(10))
        {
            var answers = batch.Select(item => item.GetProperty("answer_token_ids").Ints()).ToArray();
            var steps = answers.Max(answer => answer.Length);
            using var session = model.StartDecoding([.. batch.Select(item => (ReadOnlyMemory<int>)item.GetProperty("prompt_token_ids").Ints())],
                steps);
            for (var step = 0; step < steps; step++)
            {
                for (var row = 0; row < answers.Length; row++)
                {
                    if (step >= answers[row].Length) continue;
                    var logits = session.Logits(row).ToArray();
                    var (wanted, best) = (answers[row][step], logits.Max());
                    // The reference's token is the likeliest, or within a near-tie that its own margin announces.
                    var margin = batch[row].GetProperty("smallest_margin").GetDouble();
                    Assert.IsLessThanOrEqualTo(margin < NearTie ? NearTie : 0, best - logits[wanted],
                        $"{batch[row].GetProperty("question")}, token {step}");
                    compared++;
                }
                session.Append([.. answers.Select(answer => step < answer.Length ? answer[step] : 0)]);
            }
        }
        Assert.AreEqual(3376, compared);
    }

    [TestMethod]
    [TestCategory("Slow")]
    public void Train_Lora_GivesTheLossesOfPeft()
    {
        using var json = RealModel.Expected("training.json");
        using var folder = ModelFolder.Open(RealModel.Path);
        using var model = Load(folder, TrainableWeights.Lora, LoraAdapter.Load(Fixtures.Path_("golden", RealModel.Name, "adapter-before")));
        RequireSteps(model, json.RootElement, "lora", 20);
        using var expected = RealModel.Expected("expected.json");
        var first = expected.RootElement.GetProperty("sequences")[0];
        NumberAssert.AreClose(json.RootElement.GetProperty("lora").GetProperty("first_sequence_log_probs_after").Doubles(),
            model.Score([Sequence(first)])[0].LogProbabilities, 2e-2, "log-probabilities after the last step");
    }

    [TestMethod]
    [TestCategory("Slow")]
    public void Train_AllWeights_GivesTheLossesOfTransformers()
    {
        using var json = RealModel.Expected("training.json");
        using var folder = ModelFolder.Open(RealModel.Path);
        using var model = Load(folder, TrainableWeights.All);
        RequireSteps(model, json.RootElement, "full", 5);
    }

    private static void RequireSteps(ICausalLanguageModel model, JsonElement training, string kind, int count)
    {
        var (run, size) = (training.GetProperty(kind), training.GetProperty("batch_size").GetInt32());
        var (options, rate) = (Optimizer(run.GetProperty("optimizer")), run.GetProperty("optimizer").GetProperty("learning_rate").GetDouble());
        var rows = training.GetProperty("rows").EnumerateArray().Select(row =>
        {
            var prompt = row.GetProperty("prompt_token_ids").Ints();
            return new TokenSequence((int[])[.. prompt, .. row.GetProperty("answer_token_ids").Ints()], prompt.Length);
        }).ToList();
        var steps = run.GetProperty("steps").EnumerateArray().ToList();
        Assert.HasCount(count, steps);
        for (var step = 0; step < count; step++)
        {
            TokenSequence[] batch = [.. rows.Skip(step * size).Take(size)];
            var tokens = batch.Sum(sequence => sequence.ResponseLength);
            double loss;
            using (var pass = model.Forward(batch))
            {
                loss = -pass.Scores.Sum(scores => scores.LogProbabilities.Sum(p => (double)p)) / tokens;
                pass.Backward([.. batch.Select(sequence => Enumerable.Repeat(1f / tokens, sequence.ResponseLength).ToArray())]);
            }
            var norm = model.ApplyGradients(options, rate);
            var (wanted, wantedNorm) = (steps[step].GetProperty("loss").GetDouble(), steps[step].GetProperty("gradient_norm").GetDouble());
            Assert.AreEqual(wanted, loss, RelativeTolerance * wanted, $"{kind}, loss before step {step}");
            Assert.AreEqual(wantedNorm, norm, RelativeTolerance * wantedNorm, $"{kind}, norm of step {step}");
        }
    }
}
