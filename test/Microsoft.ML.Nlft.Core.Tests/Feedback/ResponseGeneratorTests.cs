using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Feedback;
using Microsoft.ML.Nlft.Generation;

namespace Microsoft.ML.Nlft.Tests.Feedback;

[TestClass]
public sealed class ResponseGeneratorTests
{
    private static readonly GenerationOptions s_generation = new() { Temperature = 1, MaximumNewTokens = 8, Seed = 5, MaximumBatchSize = 4 };

    private readonly TemporaryFolder _folder = new();
    private readonly ByteModelFolder _model = new();

    [TestCleanup]
    public void Clean()
    {
        _folder.Dispose();
        _model.Dispose();
    }

    [TestMethod]
    public async Task GenerateAsync_Samples_AreInOrderDifferAndDoNotDependOnBatches()
    {
        using var model = LocalModel.Load(_model.Path);
        var options = new ResponseOptions { SamplesPerQuestion = 3, Generation = s_generation };
        var responses = await ResponseGenerator.GenerateAsync(model, Questions(5), options).ToListAsync();

        CollectionAssert.AreEqual(Enumerable.Range(0, 15).Select(i => ($"question {i / 3}", i / 3, i % 3)).ToArray(),
            responses.Select(r => (r.Row.Question, r.Question, r.Sample)).ToArray());
        Assert.HasCount(15, responses.Select(r => r.Row.Response).Distinct());
        var single = options with { Generation = s_generation with { MaximumBatchSize = 1 } };
        var one = await ResponseGenerator.GenerateAsync(model, Questions(5), single).ToListAsync();
        CollectionAssert.AreEqual(Texts(responses), Texts(one));
        var seeded = options with { Generation = s_generation with { Seed = 6 } };
        var other = await ResponseGenerator.GenerateAsync(model, Questions(5), seeded).ToListAsync();
        CollectionAssert.AreNotEqual(Texts(responses), Texts(other));
    }

    [TestMethod]
    public async Task GenerateAsync_KilledRun_ResumesWhereItStopped()
    {
        using var model = LocalModel.Load(_model.Path);
        var journal = Path.Combine(_folder.Path, "journal");
        var options = new ResponseOptions { SamplesPerQuestion = 2, Generation = s_generation };
        var whole = await ResponseGenerator.GenerateAsync(model, Questions(10), options).ToListAsync();

        using var stop = new CancellationTokenSource();
        var killed = options with { Journal = journal, Progress = new Stopper(stop, 9), QuestionCount = 10 };
        await Assert.ThrowsAsync<OperationCanceledException>(async () =>
            await ResponseGenerator.GenerateAsync(model, Questions(10), killed, stop.Token).ToListAsync());
        var kept = File.ReadAllLines(journal).Length - 1;
        Assert.IsInRange(9, 16, kept);
        File.AppendAllText(journal, "{\"Index\":19,"); // the disk had half of a line

        // Options that do not change responses may differ.
        var sooner = options with { Journal = journal, Generation = s_generation with { MaximumBatchSize = 1, PromptLookupTokens = 4 } };
        var resumed = await ResponseGenerator.GenerateAsync(model, Questions(10), sooner).ToListAsync();
        CollectionAssert.AreEqual(Texts(whole), Texts(resumed));
        Assert.HasCount(21, File.ReadAllLines(journal));
        var others = Questions(10).Select(row => row with { Question = "another" });
        Assert.Contains("the result of another row", await Refused(others, options with { Journal = journal }));
        var seeded = options with { Journal = journal, Generation = s_generation with { Seed = 6 } };
        Assert.Contains("found an interrupted run of responses", await Refused(Questions(10), seeded));

        async Task<string> Refused(IAsyncEnumerable<DataRow> questions, ResponseOptions run) => (await Assert.ThrowsExactlyAsync<NlftException>(
            async () => await ResponseGenerator.GenerateAsync(model, questions, run).ToListAsync())).Message;
    }

    [TestMethod]
    public void GenerateAsync_SeveralResponsesAtTemperature0_AreRefused()
    {
        using var model = LocalModel.Load(_model.Path);
        var error = Assert.ThrowsExactly<NlftException>(() =>
            ResponseGenerator.GenerateAsync(model, Questions(1), new() { SamplesPerQuestion = 2, Generation = new() }));
        Assert.AreEqual("option SamplesPerQuestion: found 2; expected 1 at temperature 0. "
            + "Raise Temperature: the most likely response is always the same.", error.Message);
    }

    private static string[] Texts(IEnumerable<GeneratedResponse> responses) => [.. responses.Select(response => response.Row.Response!)];

    private static IAsyncEnumerable<DataRow> Questions(int count) => Enumerable.Range(0, count)
        .Select(i => new DataRow { Question = $"question {i}", Answer = $"{i}", Source = $"row {i}" }).ToAsyncEnumerable();

    /// <summary>Kills the run after so many responses.</summary>
    private sealed class Stopper(CancellationTokenSource stop, int after) : IProgress<DataProgress>
    {
        public void Report(DataProgress value)
        {
            if (value.Done == after) stop.Cancel();
        }
    }
}
