using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Tests.Engines;

/// <summary>The thread team of the managed engine.</summary>
[TestClass]
public class WorkersTests
{
    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(5)]
    public void For_ManyShortLoops_RunsEveryTaskOnceWithTheStateOfItsLoop(int threads)
    {
        var workers = new Workers(threads);
        var random = new Random(1);
        for (var loop = 0; loop < 20_000; loop++)
        {
            var hits = new int[random.Next(1, 12)];
            workers.For(hits.Length, (hits, loop), static (state, i) => Interlocked.Add(ref state.hits[i], state.loop + 1));
            for (var i = 0; i < hits.Length; i++) Assert.AreEqual(loop + 1, hits[i], $"task {i} of {hits.Length} in loop {loop}");
        }
    }

    [TestMethod]
    public void ForBlocks_AnyLength_CoversEveryIndexOnce()
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
    public void For_TaskThrows_RunsTheOthersAndRethrows()
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
    public void For_WithinATask_IsRefused()
    {
        var workers = new Workers(2);
        var error = Assert.ThrowsExactly<InvalidOperationException>(() =>
            workers.For(4, workers, static (team, _) => team.For(4, 0, static (_, _) => { })));
        StringAssert.StartsWith(error.Message, "The threads are already running a loop");
    }

    [TestMethod]
    public unsafe void Scratch_EveryThread_GetsItsOwnAlignedMemory()
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
