using System.Globalization;

namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>The result of fuzzing one reader.</summary>
internal sealed record FuzzReport(string Target)
{
    /// <summary>The number of inputs.</summary>
    public long Inputs { get; set; }

    /// <summary>The number of accepted inputs.</summary>
    public long Accepted { get; set; }

    /// <summary>The distinct refusals.</summary>
    public HashSet<string> Refusals { get; } = [];

    /// <summary>The failures with their inputs.</summary>
    public List<(string Fault, byte[] Input)> Failures { get; } = [];

    /// <summary>The inputs from which others were made; with coverage, those that reached a new edge.</summary>
    public IReadOnlyList<byte[]> Corpus { get; set; } = [];

    /// <summary>The number of edges reached; null without coverage.</summary>
    public int? Edges { get; set; }

    /// <summary>The total time.</summary>
    public TimeSpan Elapsed { get; set; }

    /// <summary>Returns the counts as one line.</summary>
    /// <param name="share">Branch targets: those reached, and all those of the classes in which one was.</param>
    public string Line((int Reached, int All) share) => string.Create(CultureInfo.InvariantCulture,
        $"{Target,-12} {Inputs,8} inputs, {Accepted,7} accepted, {Refusals.Count,4} different refusals, {Edges,5} edges, {share.Reached,5} of "
        + $"{share.All,5} branch targets ({100.0 * share.Reached / Math.Max(1, share.All):0} %), corpus {Corpus.Count,4}, {Failures.Count} failures, "
        + $"{Elapsed.TotalSeconds:0} s");
}
