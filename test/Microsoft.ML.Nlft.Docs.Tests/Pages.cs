using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace Microsoft.ML.Nlft.Docs;

/// <summary>The pages of the documentation and their fenced blocks.</summary>
internal static partial class Pages
{
    private static readonly EnumerationOptions s_below = new() { RecurseSubdirectories = true, MaxRecursionDepth = 1 };

    public static string Root { get; } = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", ".."));

    /// <summary>README.md, docs/*.md and the pages of the packages, relative to the root.</summary>
    public static IEnumerable<string> All =>
        Directory.GetFiles(Path.Combine(Root, "docs"), "*.md").Concat(Directory.GetFiles(Path.Combine(Root, "src"), "PACKAGE.md", s_below))
            .Select(page => Path.GetRelativePath(Root, page).Replace('\\', '/'))
            .Append("README.md").Order(StringComparer.Ordinal);

    /// <summary>The fenced blocks of a page: language and text.</summary>
    public static IEnumerable<(string Language, string Text)> Blocks(string page) =>
        Fence().Matches(File.ReadAllText(Path.Combine(Root, page)).ReplaceLineEndings("\n"))
            .Select(match => (match.Groups[1].Value, match.Groups[2].Value.TrimEnd()));

    /// <summary>Every region of the snippets' sources, without its indentation. What needs libtorch is with the tests of that engine.</summary>
    public static IEnumerable<(string Name, string Text)> Snippets =>
        from file in Directory.GetFiles(Path.Combine(Path.GetDirectoryName(ThisFile())!, "Snippets"), "*.cs")
            .Append(Path.Combine(Root, "test", "Microsoft.ML.Nlft.TorchSharp.Tests", "PackageSnippets.cs"))
        from Match region in Region().Matches(File.ReadAllText(file).ReplaceLineEndings("\n"))
        select ($"{Path.GetFileName(file)}, {region.Groups[1].Value}", Outdent(region.Groups[2].Value));

    private static string Outdent(string text)
    {
        var lines = text.TrimEnd().Split('\n');
        var indent = lines.Where(line => line.Length > 0).Min(line => line.Length - line.TrimStart().Length);
        return string.Join('\n', lines.Select(line => line.Length > 0 ? line[indent..] : line));
    }

    private static string ThisFile([CallerFilePath] string file = "") => file;

    [GeneratedRegex(@"^```(\w*)\n(.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Fence();

    [GeneratedRegex(@"^ *#region ([^\n]*)\n(.*?)^ *#endregion", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Region();
}
