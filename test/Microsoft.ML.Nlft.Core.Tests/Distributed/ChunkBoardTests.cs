using Microsoft.ML.Nlft.Distributed;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Distributed;

[TestClass]
public sealed class ChunkBoardTests
{
    [TestMethod]
    public void Take_ByManyThreads_HandsOutEveryPlaceOnce()
    {
        var board = new ChunkBoard([.. Enumerable.Range(0, 1000).Select(i => 3 * i)], 7);
        Assert.AreEqual(143, board.Count);
        var taken = new List<int>[4];
        Parallel.For(0, 4, rank =>
        {
            taken[rank] = [];
            while (board.Take(rank) is { } chunk)
            {
                taken[rank].AddRange(board.Places(chunk));
                board.Complete(chunk, rank);
            }
        });
        CollectionAssert.AreEqual(Enumerable.Range(0, 1000).Select(i => 3 * i).ToArray(), taken.SelectMany(places => places).Order().ToArray());
    }

    [TestMethod]
    public void Take_NothingLeft_ReturnsNull()
    {
        var board = new ChunkBoard([5, 6, 7], 2);
        Assert.AreEqual((0, 1, null), (board.Take(0), board.Take(1), board.Take(0)));
        CollectionAssert.AreEqual(new[] { 7 }, board.Places(1).ToArray());
        Assert.IsNull(new ChunkBoard([], 4).Take(0));
    }

    [TestMethod]
    public void Complete_ForeignOrCompletedChunk_Throws()
    {
        var board = new ChunkBoard([1, 2, 3], 1);
        _ = board.Take(1);
        Assert.ThrowsExactly<InvalidOperationException>(() => board.Complete(0, 0)); // assigned to 1
        Assert.ThrowsExactly<InvalidOperationException>(() => board.Complete(1, 1)); // unassigned
        Assert.ThrowsExactly<InvalidOperationException>(() => board.Complete(9, 1));
        board.Complete(0, 1);
        Assert.ThrowsExactly<InvalidOperationException>(() => board.Complete(0, 1)); // done
    }

    [TestMethod]
    [DataRow(10_000, 16, 2, 16)]
    [DataRow(100, 16, 8, 3)]
    [DataRow(5, 16, 8, 1)]
    [DataRow(0, 16, 8, 1)]
    public void SizeFor_ManyOrFewItems_FillsABatchOrGivesEachProcessFour(int count, int batch, int processes, int size) =>
        Assert.AreEqual(size, SharedWork.SizeFor(count, batch, processes));

    [TestMethod]
    public void Run_OneProcess_ComputesMissingResults()
    {
        var kept = new List<int>();
        var work = new SharedWork<string>
        {
            Communicator = Communicator.Single,
            Json = TrainingJson.Default.StringArray,
            Count = 10,
            ChunkSize = 4,
            Known = place => place % 2 == 0 ? $"known {place}" : null,
            Work = (places, _) => [.. places.Select(place => $"made {place}")],
            Keep = (places, made, rank) =>
            {
                Assert.AreEqual((0, places.Count), (rank, made.Count));
                kept.AddRange(places);
            },
        };
        CollectionAssert.AreEqual(Enumerable.Range(0, 10).Select(i => $"{(i % 2 == 0 ? "known" : "made")} {i}").ToArray(),
            work.Run(CancellationToken.None));
        CollectionAssert.AreEqual(new[] { 1, 3, 5, 7, 9 }, kept);
    }

    [TestMethod]
    public void Run_WorkFails_ThrowsItsException()
    {
        var work = new SharedWork<string> { Communicator = Communicator.Single, Json = TrainingJson.Default.StringArray, Count = 3, ChunkSize = 1,
            Work = (places, _) => places[0] == 1 ? throw new InvalidDataException("place 1") : ["made"] };
        Assert.AreEqual("place 1", Assert.ThrowsExactly<InvalidDataException>(() =>
            SharedWork.RunOnAll(Communicator.Single, () => work.Run(CancellationToken.None), CancellationToken.None)).Message);
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        Assert.Throws<OperationCanceledException>(() => (work with { Work = (_, stop) => { stop.ThrowIfCancellationRequested(); return ["made"]; } })
            .Run(cancelled.Token));
    }
}
