namespace Microsoft.ML.Nlft.Reliability.Torture;

/// <summary>
/// Runs every job once for each of its calls to the file system, which fails: the files are the old ones or the new ones, the exit code and the
/// message say which, and the job succeeds when it is run again.
/// </summary>
internal static class FailingCalls
{
    private const int NoAccess = 13, Busy = 16, TooManyFiles = 24, DiskFull = 28, Failure = 5;

    /// <summary>The errors that a call of each kind may have.</summary>
    private static readonly (FaultKind Kind, int[] Errors)[] s_faults =
    [
        (FaultKind.Open, [TooManyFiles, NoAccess]), (FaultKind.Read, [Failure]), (FaultKind.Write, [DiskFull, Failure]),
        (FaultKind.Sync, [Failure]), (FaultKind.Rename, [Failure, DiskFull]), (FaultKind.Link, [Failure]), (FaultKind.Unlink, [Failure, Busy]),
        (FaultKind.Mkdir, [DiskFull, NoAccess]),
    ];

    /// <summary>Runs the check in a process that has the library of faults.</summary>
    /// <param name="scene">Where the jobs run.</param>
    /// <param name="jobs">The jobs.</param>
    /// <param name="most">The most calls of a kind that fail in a job; more are drawn by the seed.</param>
    /// <param name="seed">The seed.</param>
    /// <returns>The number of runs that broke a rule.</returns>
    public static int Run(Scene scene, IEnumerable<ToolJob> jobs, int most, int seed)
    {
        var random = new Random(seed);
        var failed = s_faults.ToDictionary(fault => fault.Kind, _ => 0);
        var (names, reported, harmless, wrong) = (0, 0, 0, 0);
        foreach (var check in JobCheck.Of(scene, jobs))
        {
            names++;
            var (failedBefore, wrongBefore) = (failed.Values.Sum(), wrong);
            check.Prepare();
            FaultLibrary.Begin(scene.Folder);
            check.Run();
            FaultLibrary.End();
            var counts = s_faults.Select(fault => FaultLibrary.Count(fault.Kind)).ToArray();
            foreach (var ((kind, errors), count) in s_faults.Zip(counts))
            {
                var calls = Enumerable.Range(1, count).ToArray();
                random.Shuffle(calls);
                foreach (var (call, error) in calls.Take(most).Order().SelectMany(call => errors.Select(error => (call, error))))
                {
                    check.Prepare();
                    FaultLibrary.Begin(scene.Folder, kind, call, error);
                    var (exitCode, said) = check.Run();
                    var path = FaultLibrary.Failed;
                    FaultLibrary.End();
                    if (path.Length == 0) continue; // the job made fewer calls this time
                    failed[kind]++;
                    if (exitCode == 0) harmless++;
                    else reported++;
                    if ((check.Broken(exitCode, said, kind == FaultKind.Unlink ? path : "") ?? check.BrokenAgain()) is not { } broken) continue;
                    wrong++;
                    Console.WriteLine(
                        $"    {check.Name}: {kind} {call} of {count}, {path}, error {error}: {broken}; exit code {exitCode}: {said}");
                }
            }
            Console.WriteLine(
                $"{check.Name}: {counts.Sum()} calls, {failed.Values.Sum() - failedBefore} failures, {wrong - wrongBefore} of which broke a rule");
        }
        Console.WriteLine(
            $"{failed.Values.Sum()} calls of {names} jobs failed ({string.Join(", ", failed.Select(pair => $"{pair.Key} {pair.Value}"))}): "
            + $"{harmless} jobs ended with the new files, {reported} said which file it was; {wrong} left files that are neither the old nor the new "
            + "ones, or others");
        return wrong;
    }
}
