using System.Security.Cryptography;
using System.Text;

namespace Microsoft.ML.Nlft.Reliability.Torture;

/// <summary>
/// Records what every job does to its disk and cuts the power after each event: of what is on the disk then (<see cref="RecordedDisk"/>), the files
/// are the old ones or the new ones, the new ones once the job has ended, and the job run again ends with the new ones.
/// </summary>
internal static class PowerLoss
{
    private const string Out = "out/";

    /// <summary>Runs the check in a process that has the library of faults.</summary>
    /// <param name="scene">Where the jobs run.</param>
    /// <param name="jobs">The jobs.</param>
    /// <param name="draws">Disks of each job that are drawn, beside two after each event.</param>
    /// <param name="seed">The seed.</param>
    /// <returns>The number of disks on which a rule is broken.</returns>
    public static int Run(Scene scene, IEnumerable<ToolJob> jobs, int draws, int seed)
    {
        var random = new Random(seed);
        var (names, losses, disks, wrong) = (0, 0, 0, 0);
        foreach (var check in JobCheck.Of(scene, jobs))
        {
            names++;
            var (disksBefore, wrongBefore) = (disks, wrong);
            check.Prepare();
            var disk = new RecordedDisk(scene.Folder, scene.Outputs().ToDictionary(file => $"{Out}{file.Key}", file => file.Value));
            var events = Record(scene, check);
            var drawn = Enumerable.Range(0, draws).Select(_ => random.Next(events.Count)).ToLookup(at => at);
            var seen = new HashSet<string>();
            for (var at = 0; at < events.Count; at++)
            {
                disk.Apply(events[at]);
                var ended = at == events.Count - 1;
                Try(disk.WithoutAll(), "all is lost that was not synchronized");
                Try(disk.WithNamesAlone(), "all bytes are lost that were not synchronized");
                foreach (var _ in drawn[at]) Try(disk.Drawn(random), "some is lost that was not synchronized");

                void Try(Dictionary<string, byte[]> files, string lost)
                {
                    losses++;
                    if (!seen.Add(Identity(files, ended))) return;
                    disks++;
                    scene.Restore(files.Where(file => file.Key.StartsWith(Out, StringComparison.Ordinal)) // what is beside it is a trial of the place
                        .ToDictionary(file => file.Key[Out.Length..], file => file.Value));
                    var broken = check.BrokenFile()
                        ?? (ended && !check.IsDone() ? "the job had ended, but the files are not the new ones" : check.BrokenAgain());
                    if (broken is null) return;
                    wrong++;
                    var last = events[at];
                    Console.WriteLine($"    {check.Name}, after event {at + 1} of {events.Count} ({last.Kind} "
                        + $"{(last.Kind is 'W' or 'T' ? last.Inode : last.Path)}), {lost}: {broken}");
                }
            }
            Console.WriteLine($"{check.Name}: {events.Count} events, {disks - disksBefore} disks, {wrong - wrongBefore} of which broke a rule");
        }
        Console.WriteLine(
            $"{losses} losses of power during {names} jobs left {disks} different disks: {disks - wrong} with the old files or the new ones, whole, "
            + $"on which the job run again ended with the new ones; {wrong} otherwise");
        return wrong;
    }

    private static List<DiskEvent> Record(Scene scene, JobCheck check)
    {
        var record = scene.Folder + ".record";
        FaultLibrary.Record(record);
        FaultLibrary.Begin(scene.Folder);
        var (exitCode, error) = check.Run();
        FaultLibrary.End();
        return exitCode == 0 ? DiskEvent.Read(record) : throw new InvalidOperationException($"{check.Name}: {error}");
    }

    private static string Identity(Dictionary<string, byte[]> files, bool ended)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (name, bytes) in files.OrderBy(file => file.Key, StringComparer.Ordinal))
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{name} {bytes.Length} "));
            hash.AppendData(bytes);
        }
        return Convert.ToHexString(hash.GetHashAndReset()) + ended;
    }
}
