using System.Diagnostics;
using Microsoft.Extensions.AI;
using Microsoft.ML.Nlft.Chat;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Monitoring;

/// <summary>Spans and metrics of training and generation: names, units and values are those of the results.</summary>
[TestClass]
[DoNotParallelize]
public sealed class TelemetryTests : IDisposable
{
    private static readonly TrainingExample[] s_rows = [new() { Question = "1+2?", Response = "4", Judgment = "The sum is wrong.", Answer = "3" },
        new() { Question = "2+2?", Response = "4", Answer = "4" }, new() { Question = "3+2?", Response = "5", Answer = "5" }];

    private readonly ByteModelFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [TestMethod]
    public void FineTune_Listeners_SeeWhatTheResultSays()
    {
        using var checkpoints = new TemporaryFolder();
        using var recorder = new TelemetryRecorder(_folder.Name);
        using var model = LocalModel.Load(_folder.Path, new() { Trainable = TrainableWeights.Lora });
        var result = model.FineTune(s_rows[..2], new NaturalLanguageObjective(),
            new() { Epochs = 2, BatchSize = 1, CheckpointFolder = checkpoints.Path, CheckpointSteps = 2 }, validation: s_rows[2..]);

        Assert.HasCount(4, result.Steps);
        CollectionAssert.AreEqual(new double[] { 1, 1, 1, 1 }, recorder.Values("nlft.training.steps", "{step}"));
        Assert.AreEqual(result.Steps[^1].TokensSeen, recorder.Values("nlft.training.tokens", "{token}").Sum());
        CollectionAssert.AreEqual(result.Steps.Select(step => step.Loss).ToArray(), recorder.Values("nlft.training.loss", "1"));
        CollectionAssert.AreEqual(result.Steps.Select(step => step.GradientNorm).ToArray(), recorder.Values("nlft.training.gradient_norm", "1"));
        CollectionAssert.AreEqual(result.Steps.Select(step => step.LearningRate).ToArray(), recorder.Values("nlft.training.learning_rate", "1"));
        CollectionAssert.AreEqual(result.Validation.Select(report => report.Loss).ToArray(), recorder.Values("nlft.training.validation.loss", "1"));
        Assert.AreEqual(result.Steps[^1].Elapsed.TotalSeconds, recorder.Values("nlft.training.step.duration", "s").Sum(), 1e-6);

        var span = recorder.Spans.Single();
        Assert.AreEqual($"train {_folder.Name}", span.DisplayName);
        Assert.AreEqual("NLFT", span.GetTagItem("nlft.training.method"));
        Assert.AreEqual((2, 1, 4, false), (span.GetTagItem("nlft.training.rows"), span.GetTagItem("nlft.training.validation_rows"),
            span.GetTagItem("nlft.training.steps"), span.GetTagItem("nlft.training.cancelled")));
        Assert.AreEqual(result.Steps[^1].Loss, span.GetTagItem("nlft.training.loss"));
        Assert.AreEqual(ActivityStatusCode.Unset, span.Status);
        Assert.AreEqual("checkpoint 2, checkpoint 4, epoch 1, epoch 2", string.Join(", ", span.Events.Where(e => e.Name != "validation")
            .Select(e => $"{e.Name} {e.Tags.ToDictionary()[e.Name == "epoch" ? "nlft.training.epoch" : "nlft.training.step"]}").Order()));
        Assert.HasCount(result.Validation.Count, span.Events.Where(e => e.Name == "validation"));
        RequireNoTexts(recorder);
    }

    [TestMethod]
    public void FineTune_Cancelled_EndsTheSpanAsFailed()
    {
        using var recorder = new TelemetryRecorder(_folder.Name);
        using var model = LocalModel.Load(_folder.Path, new() { Trainable = TrainableWeights.Lora });
        Assert.Throws<OperationCanceledException>(() =>
            model.FineTune(s_rows, new NaturalLanguageObjective(), cancellationToken: new CancellationToken(canceled: true)));
        Assert.AreEqual(ActivityStatusCode.Error, recorder.Spans.Single().Status);
        Assert.IsNotNull(recorder.Spans[0].GetTagItem("error.type"));
    }

    [TestMethod]
    public async Task Generate_Listeners_SeeTheConventionsOfGenerativeAI()
    {
        using var recorder = new TelemetryRecorder(_folder.Name);
        using var model = LocalModel.Load(_folder.Path);
        var answers = model.Answer(["1+2?", "2+2?"], new() { MaximumNewTokens = 5, Temperature = 0.5, TopK = 7 });
        RequireSpan(recorder.Spans.Single(), "text_completion", answers);
        Assert.AreEqual((5, 0.5, 7), (recorder.Spans[0].GetTagItem("gen_ai.request.max_tokens"),
            recorder.Spans[0].GetTagItem("gen_ai.request.temperature"), recorder.Spans[0].GetTagItem("gen_ai.request.top_k")));
        Assert.HasCount(1, recorder.Values("gen_ai.client.operation.duration", "s"));
        CollectionAssert.AreEqual(new double[] { answers.Sum(a => a.PromptTokens), answers.Sum(a => a.Tokens.Count) },
            recorder.Values("gen_ai.client.token.usage", "{token}"));
        CollectionAssert.AreEqual(new[] { "input", "output" }, recorder.Measurements.Where(m => m.Name == "gen_ai.client.token.usage")
            .Select(m => m.Tags["gen_ai.token.type"]).ToArray());

        var text = string.Concat(await model.AnswerStreaming("1+2?", new() { MaximumNewTokens = 5 }).ToListAsync());
        Assert.HasCount(2, recorder.Spans);
        Assert.AreEqual(5L, recorder.Spans[1].GetTagItem("gen_ai.usage.output_tokens"));
        Assert.AreEqual(answers[0].PromptTokens - 1L, recorder.Spans[1].GetTagItem("gen_ai.usage.cache_read.input_tokens"), "asked before");
        Assert.HasCount(1, recorder.Values("gen_ai.server.time_to_first_token", "s"), text);
        Assert.HasCount(1, recorder.Values("gen_ai.server.time_per_output_token", "s"));
        RequireNoTexts(recorder);
    }

    [TestMethod]
    public async Task Chat_Listeners_SeeOneSpanPerRequest()
    {
        using var recorder = new TelemetryRecorder(_folder.Name);
        using var client = NlftModel.LoadChatClient(_folder.Path, new() { Generation = new() { MaximumNewTokens = 5 } });
        var answer = (GeneratedText)(await client.GetResponseAsync("1+2?")).RawRepresentation!;
        RequireSpan(recorder.Spans.Single(), "chat", [answer]);
        Assert.HasCount(1, recorder.Values("gen_ai.server.time_to_first_token", "s"));

        await Assert.ThrowsExactlyAsync<NlftException>(() => client.GetResponseAsync([]));
        Assert.AreEqual((ActivityStatusCode.Error, typeof(NlftException).FullName),
            (recorder.Spans[1].Status, recorder.Spans[1].GetTagItem("error.type")));
        await foreach (var _ in client.GetStreamingResponseAsync("1+2?")) break;
        Assert.AreEqual(typeof(OperationCanceledException).FullName, recorder.Spans[2].GetTagItem("error.type"));
        Assert.AreEqual("nlft", client.GetService<ChatClientMetadata>()!.ProviderName);
    }

    [TestMethod]
    public async Task Chat_InsideTheSpanOfAMiddleware_IsNotCountedTwice()
    {
        using var recorder = new TelemetryRecorder(_folder.Name);
        using var client = NlftModel.LoadChatClient(_folder.Path, new() { Generation = new() { MaximumNewTokens = 5 } });
        using (new Activity("chat").SetTag("gen_ai.operation.name", "chat").Start()) await client.GetResponseAsync("1+2?");
        Assert.IsEmpty(recorder.Spans);
        Assert.IsEmpty(recorder.Values("gen_ai.client.operation.duration", "s"));
        Assert.IsEmpty(recorder.Values("gen_ai.client.token.usage", "{token}"));
        Assert.HasCount(1, recorder.Values("gen_ai.server.time_to_first_token", "s"), "only the model knows it");
    }

    [TestMethod]
    public void Start_NobodyListens_AllocatesNothing()
    {
        var options = new GenerationOptions();
        Assert.IsNull(GenerationTelemetry.Start(GenerationTelemetry.Chat, "model", options));
        var run = TrainingTelemetry.Start(new() { Model = "m", Method = "NLFT", Rows = 1, Options = [] });
        var step = Steps.At(1);
        run.Report(step, null);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 100; i++)
        {
            GenerationTelemetry.Start(GenerationTelemetry.Chat, "model", options);
            run.Report(step, null);
            TrainingTelemetry.Checkpoint(1);
        }
        Assert.AreEqual(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private void RequireSpan(Activity span, string operation, IReadOnlyList<GeneratedText> answers)
    {
        Assert.AreEqual($"{operation} {_folder.Name}", span.DisplayName);
        Assert.AreEqual((operation, "nlft", _folder.Name), (span.GetTagItem("gen_ai.operation.name"), span.GetTagItem("gen_ai.provider.name"),
            span.GetTagItem("gen_ai.request.model")));
        Assert.AreEqual(answers.Sum(answer => (long)answer.PromptTokens), span.GetTagItem("gen_ai.usage.input_tokens"));
        Assert.AreEqual(answers.Sum(answer => (long)answer.Tokens.Count), span.GetTagItem("gen_ai.usage.output_tokens"));
        Assert.AreEqual(answers.Sum(answer => (long)answer.CachedPromptTokens), span.GetTagItem("gen_ai.usage.cache_read.input_tokens"));
        CollectionAssert.AreEqual(answers.Select(answer => answer.FinishReason == FinishReason.Stop ? "stop" : "length").ToArray(),
            (string[])span.GetTagItem("gen_ai.response.finish_reasons")!);
    }

    private static void RequireNoTexts(TelemetryRecorder recorder)
    {
        var values = recorder.Spans.SelectMany(span => span.TagObjects.Concat(span.Events.SelectMany(e => e.Tags)))
            .Concat(recorder.Measurements.SelectMany(measurement => measurement.Tags)).Select(tag => $"{tag.Value}");
        Assert.IsFalse(values.Any(value => value.Contains("+2", StringComparison.Ordinal)), "a question is in the telemetry");
    }
}
