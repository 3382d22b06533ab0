using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Tests.Engines;

[TestClass]
public class WorkersTests
{
    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(5)]
    public void For_ManySmallWorksOneAfterTheOther_CallsEveryPieceOnceWithItsOwnState(int threads)
    {
        var workers = new Workers(threads);
        var random = new Random(1);
        for (var work = 0; work < 20_000; work++)
        {
            var hits = new int[random.Next(1, 12)];
            workers.For(hits.Length, (hits, work), static (state, i) => Interlocked.Add(ref state.hits[i], state.work + 1));
            for (var i = 0; i < hits.Length; i++) Assert.AreEqual(work + 1, hits[i], $"piece {i} of {hits.Length} of work {work}");
        }
    }

    [TestMethod]
    public void ForBlocks_AnyLength_CoversItOnce()
    {
        var workers = new Workers(2);
        for (var count = 0; count < 200; count++)
        {
            var hits = new int[count];
            workers.ForBlocks(count, 7, hits, static (hits, start, end) =>
            {
                for (var i = start; i < end; i++) Interlocked.Increment(ref hits[i]);
            });
            Assert.IsTrue(hits.All(hit => hit == 1), $"{count}");
        }
    }

    [TestMethod]
    public void For_APieceThrows_EndsTheOthersAndThrows()
    {
        var workers = new Workers(2);
        var done = new int[1];
        var error = Assert.ThrowsExactly<InvalidOperationException>(() => workers.For(20, done, static (done, i) =>
        {
            if (i == 3) throw new InvalidOperationException("three");
            Interlocked.Increment(ref done[0]);
        }));
        Assert.AreEqual("three", error.Message);
        Assert.AreEqual(19, done[0]);
        workers.For(5, done, static (done, _) => Interlocked.Increment(ref done[0]));
        Assert.AreEqual(24, done[0]);
    }

    [TestMethod]
    public void For_FromWithinAPiece_IsRefused()
    {
        var workers = new Workers(2);
        var error = Assert.ThrowsExactly<InvalidOperationException>(() => workers.For(4, workers, static (team, _) => team.For(4, 0, static (_, _) => { })));
        StringAssert.StartsWith(error.Message, "The threads are at work already");
    }

    [TestMethod]
    public unsafe void Scratch_OfEveryThread_IsItsOwnAndBeginsAtACacheLine()
    {
        var workers = new Workers(3);
        var addresses = new nint[60];
        workers.For(addresses.Length, (workers, addresses), static (state, i) =>
        {
            var scratch = state.workers.Scratch(100 + i);
            new Span<float>(scratch, 100 + i).Fill(i);
            Thread.SpinWait(1000);
            foreach (var value in new Span<float>(scratch, 100 + i)) Assert.AreEqual(i, value);
            state.addresses[i] = (nint)scratch;
        });
        Assert.IsTrue(addresses.All(address => address % 64 == 0));
    }
}
