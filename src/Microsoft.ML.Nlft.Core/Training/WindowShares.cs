namespace Microsoft.ML.Nlft.Training;

/// <summary>
/// Distributes rows over processes so that all finish at about the same time: the costliest row first, always to the process with the least work.
/// </summary>
public static class WindowShares
{
    /// <summary>Distributes rows.</summary>
    /// <param name="rows">Rows in their order.</param>
    /// <param name="cost">Returns the cost of a row, in any unit.</param>
    /// <param name="processes">Number of processes, 1 or more; some get nothing when there are fewer rows.</param>
    /// <returns>
    /// The rows of each process, in the order of <paramref name="rows"/>. Among processes with equal work the last one gets the next row, because
    /// process 0 also reports and writes.
    /// </returns>
    public static int[][] Distribute(IReadOnlyList<int> rows, Func<int, long> cost, int processes)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ArgumentNullException.ThrowIfNull(cost);
        ArgumentOutOfRangeException.ThrowIfLessThan(processes, 1);
        if (processes == 1) return [[.. rows]];
        var shares = new List<int>[processes];
        var loads = new PriorityQueue<int, (long Load, int Order)>(processes);
        for (var process = 0; process < processes; process++)
        {
            shares[process] = [];
            loads.Enqueue(process, (0, -process)); // of equal ones the last
        }
        foreach (var (place, row) in rows.Index().OrderByDescending(pair => cost(pair.Item)).ThenBy(pair => pair.Index))
        {
            loads.TryDequeue(out var process, out var load);
            shares[process].Add(place);
            loads.Enqueue(process, (load.Load + cost(row), -process));
        }
        return Array.ConvertAll(shares, places => places.Order().Select(place => rows[place]).ToArray());
    }
}
