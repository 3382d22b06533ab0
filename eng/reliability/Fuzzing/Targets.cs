namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>The readers of untrusted files and requests.</summary>
internal static class Targets
{
    /// <summary>Gets all targets.</summary>
    public static IReadOnlyList<Target> All { get; } =
        [.. ModelTargets.All, .. TextTargets.All, .. RowTargets.All, .. RunTargets.All, .. RequestTargets.All];
}
