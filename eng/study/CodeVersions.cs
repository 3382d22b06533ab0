namespace Microsoft.ML.Nlft.Study;

/// <summary>The versions of the code that runs were made with, each a commit and its date: "1234567 of 2026-01-31".</summary>
internal static class CodeVersions
{
    /// <summary>Returns them as one text, the commits of a date together.</summary>
    public static string Text(IEnumerable<string> versions) => string.Join("; ",
        from version in versions.Distinct().Order(StringComparer.Ordinal)
        let parts = version.Split(" of ")
        group parts[0] by parts[^1] into date
        select $"{string.Join(", ", date)} of {date.Key}");
}
