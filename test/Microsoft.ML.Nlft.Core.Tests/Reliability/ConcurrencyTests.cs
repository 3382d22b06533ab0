using System.Collections.Concurrent;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Tests.Reliability;

/// <summary>One model on many threads gives the right answer or a refusal, never another answer.</summary>
[TestClass]
public sealed class ConcurrencyTests
{
    private static readonly string[] s_questions = [.. Enumerable.Range(0, 6).Select(i => $"{i} + {i}?")];

    private readonly ByteModelFolder _folder = new();

    [TestCleanup]
    public void Clean() => _folder.Dispose();

    [TestMethod]
    public void AnswerAndStream_ManyThreads_MatchOneThread()
    {
        using var model = LocalModel.Load(_folder.Path);
        var expected = s_questions.Select(question => model.Answer([question], new() { MaximumNewTokens = 12 })[0].Text).ToArray();
        Parallel.For(0, 48, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
        {
            var question = i % s_questions.Length;
            var answer = i % 2 == 0 ? model.Answer([s_questions[question]], new() { MaximumNewTokens = 12 })[0].Text
                : Stream(model, s_questions[question]);
            Assert.AreEqual(expected[question], answer);
        });
    }

    [TestMethod]
    public void Dispose_WhileAnswering_LetsCallsFinishOrRefusesThem()
    {
        for (var round = 0; round < 10; round++)
        {
            var model = LocalModel.Load(_folder.Path);
            var expected = s_questions.Select(question => model.Answer([question], new() { MaximumNewTokens = 12 })[0].Text).ToArray();
            var others = new ConcurrentBag<Exception>();
            var answered = 0;
            var threads = Enumerable.Range(0, 4).Select(thread => new Thread(() =>
            {
                for (var i = 0; ; i++)
                {
                    var question = (thread + i) % s_questions.Length;
                    try
                    {
                        var answer = thread % 2 == 0 ? model.Answer([s_questions[question]], new() { MaximumNewTokens = 12 })[0].Text
                            : Stream(model, s_questions[question]);
                        if (answer != expected[question]) others.Add(new InvalidDataException($"{answer} instead of {expected[question]}"));
                        Interlocked.Increment(ref answered);
                    }
                    catch (ObjectDisposedException)
                    {
                        return;
                    }
                    catch (Exception e)
                    {
                        others.Add(e);
                        return;
                    }
                }
            })).ToList();
            threads.ForEach(thread => thread.Start());
            SpinWait.SpinUntil(() => Volatile.Read(ref answered) > 3 || !others.IsEmpty, TimeSpan.FromSeconds(10));
            model.Dispose();
            threads.ForEach(thread => Assert.IsTrue(thread.Join(TimeSpan.FromSeconds(10)), "a thread hangs"));
            Assert.IsEmpty(others.Select(e => e.ToString()).ToList());
        }
    }

    [TestMethod]
    public void Dispose_WhileTraining_WaitsForTheEnd()
    {
        var model = LocalModel.Load(_folder.Path, new() { Trainable = TrainableWeights.Lora, Lora = new() { Rank = 2 } });
        using var begun = new ManualResetEventSlim();
        var training = Task.Run(() => model.FineTune([new() { Question = "1 + 1?", Response = "2", Answer = "2" }], new LikelihoodObjective(),
            new() { Epochs = 20 }, new Training.Listener(_ => begun.Set())));
        Assert.IsTrue(begun.Wait(TimeSpan.FromSeconds(20)));
        model.Dispose();
        Assert.IsTrue(training.IsCompletedSuccessfully || training.Wait(TimeSpan.FromSeconds(20)), "it ends");
        Assert.HasCount(20, training.Result.Steps);
        Assert.IsTrue(training.Result.Steps.All(step => double.IsFinite(step.Loss)));
        Assert.ThrowsExactly<ObjectDisposedException>(() => model.Answer(["1 + 1?"]));
    }

    /// <summary>An answer during training comes from the trained weights, never from the middle of a step.</summary>
    [TestMethod]
    public void Answer_WhileTraining_WaitsForTheEnd()
    {
        using var model = LocalModel.Load(_folder.Path, new() { Trainable = TrainableWeights.Lora, Lora = new() { Rank = 2 } });
        string Answer() => model.Answer(["1 + 1?"], new() { MaximumNewTokens = 12 })[0].Text;
        var before = Answer();
        using var begun = new ManualResetEventSlim();
        var training = Task.Run(() => model.FineTune([new() { Question = "1 + 1?", Response = "2", Answer = "2" }], new LikelihoodObjective(),
            new() { Epochs = 20, LearningRate = 0.05 }, new Training.Listener(_ => begun.Set())));
        Assert.IsTrue(begun.Wait(TimeSpan.FromSeconds(20)));
        var after = Answer();
        Assert.IsTrue(training.Wait(TimeSpan.FromSeconds(20)));
        Assert.AreEqual(Answer(), after, "the training was over when the answer began");
        Assert.AreNotEqual(before, after);
    }

    private static string Stream(LocalModel model, string question) =>
        string.Concat(model.AnswerStreaming(question, new() { MaximumNewTokens = 12 }).ToBlockingEnumerable());
}
