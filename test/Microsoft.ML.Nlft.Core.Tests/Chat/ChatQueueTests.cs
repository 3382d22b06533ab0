using Microsoft.Extensions.AI;
using Microsoft.ML.Nlft.Chat;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Tests.Training;

namespace Microsoft.ML.Nlft.Tests.Chat;

/// <summary>Requests that queue, batch, cancel and fail, on a model whose steps the test releases one by one.</summary>
[TestClass]
public sealed class ChatQueueTests : IDisposable
{
    private readonly ByteModelFolder _folder = new();
    private readonly TableLanguageModel _network = new(ByteModelFolder.Vocabulary, maximumPositions: 1024);
    private readonly SemaphoreSlim _steps = new(0);
    private readonly LocalModel _model;
    private readonly LocalChatClient _client;
    private volatile int _working;

    public ChatQueueTests()
    {
        _network.OnAppend = cancellationToken =>
        {
            _working++;
            _steps.Wait(cancellationToken);
        };
        _model = LocalModel.Load(_folder.Path, new() { Engine = new Engine(_network) });
        _client = new LocalChatClient(_model, new() { Generation = new() { MaximumNewTokens = 4, Temperature = 1, MaximumBatchSize = 4 } });
    }

    public void Dispose()
    {
        _client.Dispose();
        _model.Dispose();
        _folder.Dispose();
    }

    [TestMethod]
    [Timeout(60_000)]
    public async Task GetResponse_WaitingRequests_AreBatchedUpToTheLimit()
    {
        var first = _client.GetResponseAsync("x");
        await Working(1);
        var others = Enumerable.Range(0, 6).Select(_ => _client.GetResponseAsync("x")).ToArray();
        await Task.Delay(200); // enough time to encode them; late ones would only join the next batch
        Assert.IsFalse(first.IsCompleted, "the caller's thread went on while the model works");
        _steps.Release(1000);
        await first;
        await Task.WhenAll(others);
        Assert.AreEqual(1, _network.DecodingBatches[0]);
        Assert.AreEqual(7, _network.DecodingBatches.Sum());
        Assert.AreEqual(4, _network.DecodingBatches.Max());
    }

    [TestMethod]
    [Timeout(60_000)]
    public async Task GetStreamingResponse_LongAnswer_ArrivesInPieces()
    {
        var stream = _client.GetStreamingResponseAsync("x", new() { MaxOutputTokens = 50 }).GetAsyncEnumerator();
        var next = stream.MoveNextAsync();
        for (var pieces = 0; pieces < 3; pieces++)
        {
            while (!next.IsCompleted)
            {
                _steps.Release();
                await Task.Delay(1);
            }
            Assert.IsTrue(await next);
            Assert.IsNotEmpty(stream.Current.Text);
            next = stream.MoveNextAsync();
        }
        _steps.Release(1000);
        await next;
        await stream.DisposeAsync();
    }

    [TestMethod]
    [Timeout(60_000)]
    public async Task GetResponse_Cancelled_ReturnsAtOnceAndFreesTheModel()
    {
        using var source = new CancellationTokenSource();
        var cancelled = _client.GetResponseAsync("x", new() { MaxOutputTokens = 900 }, source.Token);
        await Working(1);
        source.Cancel(); // during a step that never ends
        await Assert.ThrowsAsync<OperationCanceledException>(() => cancelled);
        _steps.Release(1000);
        Assert.IsNotEmpty((await _client.GetResponseAsync("x")).Text);
        Assert.IsLessThan(10, _working, "the cancelled answer was not written to its end");
    }

    [TestMethod]
    [Timeout(60_000)]
    public async Task GetStreamingResponse_ReaderLeaves_EndsTheGeneration()
    {
        _steps.Release(3);
        await foreach (var _ in _client.GetStreamingResponseAsync("x", new() { MaxOutputTokens = 900 })) break;
        _steps.Release(1000);
        Assert.IsNotEmpty((await _client.GetResponseAsync("x")).Text);
        Assert.IsLessThan(500, _working);
    }

    [TestMethod]
    [Timeout(60_000)]
    public async Task GetResponse_OneOfSeveralCancelled_LeavesTheOthers()
    {
        var first = _client.GetResponseAsync("x", new() { Seed = 1 });
        await Working(1);
        using var source = new CancellationTokenSource();
        var leaving = _client.GetResponseAsync("x", new() { Seed = 2, MaxOutputTokens = 900 }, source.Token);
        var staying = _client.GetResponseAsync("x", new() { Seed = 3 });
        await Task.Delay(200);
        _steps.Release(4); // the last three steps of the first answer and one of the pair
        await first;
        await Working(5);
        source.Cancel();
        await Assert.ThrowsAsync<OperationCanceledException>(() => leaving);
        _steps.Release(1000);
        var answer = await staying;
        Assert.AreEqual((await _client.GetResponseAsync("x", new() { Seed = 3 })).Text, answer.Text);
    }

    [TestMethod]
    [Timeout(60_000)]
    public async Task GetResponse_CancelledWhileQueued_NeverStarts()
    {
        var first = _client.GetResponseAsync("x");
        await Working(1);
        using var source = new CancellationTokenSource();
        var waiting = _client.GetResponseAsync("x", null, source.Token);
        await Task.Delay(200);
        source.Cancel();
        await Assert.ThrowsAsync<OperationCanceledException>(() => waiting);
        _steps.Release(1000);
        await first;
        await _client.GetResponseAsync("x");
        CollectionAssert.AreEqual(new[] { 1, 1 }, _network.DecodingBatches);
    }

    [TestMethod]
    [Timeout(60_000)]
    public async Task GetResponse_EngineFails_FailsTheRequestOnly()
    {
        _steps.Release(1000);
        var step = _network.OnAppend;
        _network.OnAppend = _ => throw new InvalidOperationException("no device");
        Assert.AreEqual("no device", (await Assert.ThrowsExactlyAsync<InvalidOperationException>(() => _client.GetResponseAsync("x"))).Message);
        _network.OnAppend = step;
        Assert.IsNotEmpty((await _client.GetResponseAsync("x")).Text);
    }

    [TestMethod]
    [Timeout(60_000)]
    public async Task Dispose_RunningAndQueuedRequests_EndsThem()
    {
        var working = _client.GetResponseAsync("x");
        await Working(1);
        var waiting = Enumerable.Range(0, 6).Select(_ => _client.GetResponseAsync("x")).ToArray();
        await Task.Delay(200);
        _client.Dispose();
        foreach (var task in waiting.Prepend(working)) await Assert.ThrowsExactlyAsync<ObjectDisposedException>(() => task);
    }

    private async Task Working(int steps)
    {
        while (_working < steps) await Task.Delay(1);
    }

    private sealed class Engine(TableLanguageModel network) : IModelEngine
    {
        public string Name => "table";

        public ICausalLanguageModel Load(ModelLoadOptions options, CancellationToken cancellationToken = default) => network;
    }
}
