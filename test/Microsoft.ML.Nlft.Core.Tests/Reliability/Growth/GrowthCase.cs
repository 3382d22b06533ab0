using System.Text;

namespace Microsoft.ML.Nlft.Tests.Reliability.Growth;

/// <summary>A list that a file may make long, or a step that a text may make long.</summary>
/// <param name="Name">What grows.</param>
/// <param name="Prepare">
/// Writes n entries, or n characters, into a folder; returns the work with them.
/// </param>
internal sealed record GrowthCase(string Name, Func<TemporaryFolder, int, Func<object?>> Prepare)
{
    /// <summary>Every case.</summary>
    public static IReadOnlyList<GrowthCase> All { get; } =
        [.. ModelGrowth.All, .. RowGrowth.All, .. TokenizerGrowth.All, .. TextGrowth.All, .. TemplateGrowth.All, .. ToolGrowth.All];

    /// <summary>A reader of a file.</summary>
    public static GrowthCase Of(string name, string file, Func<int, string> text, Func<string, object?> read) =>
        Of(name, file, n => Encoding.UTF8.GetBytes(text(n)), read);

    /// <summary>A reader of a file.</summary>
    public static GrowthCase Of(string name, string file, Func<int, byte[]> bytes, Func<string, object?> read) => new(name, (folder, n) =>
    {
        var path = folder.Write(file, bytes(n));
        return () => read(path);
    });

    /// <summary>Returns the numbers below n.</summary>
    public static IEnumerable<int> Numbers(int n) => Enumerable.Range(0, n);

    /// <summary>Returns n items with commas between them.</summary>
    public static string Join(int n, Func<int, string> item) => string.Join(',', Numbers(n).Select(item));

    /// <summary>Returns n texts as JSON strings with commas between them.</summary>
    public static string Texts(int n, Func<int, string> item) => Join(n, i => $"\"{item(i)}\"");

    /// <summary>Returns a text n times.</summary>
    public static string Repeat(string text, int count) => new StringBuilder(text.Length * count).Insert(0, text, count).ToString();
}
