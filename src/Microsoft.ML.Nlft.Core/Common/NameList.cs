namespace Microsoft.ML.Nlft.Common;

/// <summary>Lists names that a file has, for messages, however many and however long they are.</summary>
internal static class NameList
{
    private const int Most = 20, Longest = 60;

    /// <summary>Returns the first names between quotes, with commas between them, and the number of the others.</summary>
    public static string Quoted(IReadOnlyCollection<string> names)
    {
        var shown = string.Join(", ", names.Take(Most).Select(name => $"\"{(name.Length <= Longest ? name : name[..Longest] + "...")}\""));
        return names.Count <= Most ? shown : $"{shown} and {names.Count - Most} more";
    }
}
