using Microsoft.ML.Nlft.Distributed;

namespace Microsoft.ML.Nlft.TestKit;

/// <summary>Checks every operation of a communicator against its expected result.</summary>
public static class CommunicatorChecks
{
    public static void Run(Communicator ranks)
    {
        var (rank, size) = (ranks.Rank, ranks.Size);
        for (var length = 0; length <= 100_000; length = length * 7 + 1)
        {
            var singles = Enumerable.Range(0, length).Select(i => (float)(rank + 1) * (i % 100)).ToArray();
            var doubles = Array.ConvertAll(singles, x => (double)x / 4);
            ranks.AllReduceSum(singles);
            ranks.AllReduceSum(doubles);
            var factor = size * (size + 1) / 2;
            for (var i = 0; i < length; i++)
            {
                Require(singles[i] == factor * (i % 100), $"sum {i} of {length} is {singles[i]}");
                Require(doubles[i] == factor * (i % 100) / 4.0, $"sum {i} of {length} in double is {doubles[i]}");
            }
        }

        for (var from = 0; from < size; from++)
        {
            var given = Bytes(from, 1000 * from);
            Require(ranks.Broadcast(rank == from ? given : [], from).SequenceEqual(given), $"broadcast from {from}");
        }

        var gathered = ranks.Gather(Bytes(rank, 3 + 100_000 * rank));
        Require(gathered.Count == (rank == 0 ? size : 0), $"{gathered.Count} gathered");
        for (var i = 0; i < gathered.Count; i++) Require(gathered[i].SequenceEqual(Bytes(i, 3 + 100_000 * i)), $"gathered from {i}");
        var all = ranks.AllGather(Bytes(rank, rank));
        for (var i = 0; i < size; i++) Require(all[i].SequenceEqual(Bytes(i, i)), $"gathered everywhere from {i}");

        // Every rank sends short and long messages with two tags to every rank, itself included; they arrive in order by sender and tag.
        const int rounds = 5;
        for (var round = 0; round < rounds; round++)
        {
            for (var to = 0; to < size; to++)
                foreach (var tag in (int[])[0, Communicator.MaximumTag]) ranks.Send(to, tag, Bytes(rank + round, tag == 0 ? round : 50_000 + round));
        }
        foreach (var tag in (int[])[Communicator.MaximumTag, 0])
        {
            var seen = new int[size];
            while (seen.Sum() < rounds * size)
            {
                if (ranks.TryReceive(tag) is not { } message)
                {
                    Thread.Sleep(1);
                    continue;
                }
                var round = seen[message.From]++;
                Require(message.Tag == tag && message.Content.SequenceEqual(Bytes(message.From + round, tag == 0 ? round : 50_000 + round)),
                    $"message {round} from {message.From}");
            }
        }
        Require(ranks.TryReceive(7) is null, "a message that nobody sent");

        // The signal handlers of the runtime still work.
        try
        {
            string? nothing = size > 0 ? null : "";
            Require(nothing!.Length < 0, "length of nothing");
        }
        catch (NullReferenceException)
        {
        }
        ranks.Barrier();
        Require(ranks.Places.Count == size && ranks.Places[rank].ProcessId == Environment.ProcessId, "places");
        if (ranks.IsFirst)
        {
            Console.WriteLine(
                $"{size} ranks on {ranks.Library ?? "no MPI"}: {string.Join(", ", ranks.Places)}; {ranks.BytesGiven} bytes; waited "
                + $"{ranks.Waited.TotalMilliseconds:0} ms");
        }
    }

    private static byte[] Bytes(int seed, int length) => [.. Enumerable.Range(0, length).Select(i => (byte)(seed * 31 + i * 7))];

    public static void Require(bool holds, string what)
    {
        if (!holds) throw new InvalidOperationException($"rank {Communicator.Current.Rank}: {what}");
    }
}
