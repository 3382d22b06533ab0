using System.Text.RegularExpressions;

namespace Microsoft.ML.Nlft.Architecture;

/// <summary>Lines and test names keep one style.</summary>
[TestClass]
public sealed partial class TextTests
{
    private static readonly string[] s_patterns =
        ["*.cs", "*.md", "*.js", "*.css", "*.html", "*.sh", "*.cmd", "*.csproj", "*.props", "*.proj", "*.targets"];

    [TestMethod]
    public void Lines_OfEveryFile_FitTheLimit()
    {
        var limit = int.Parse(MaximumLength().Match(File.ReadAllText(Repository.PathOf(".editorconfig"))).Groups[1].Value);
        var lines = from file in s_patterns.SelectMany(pattern => Repository.Files(pattern))
                    let text = File.ReadAllLines(Repository.PathOf(file))
                    from line in (file.EndsWith(".md", StringComparison.Ordinal) ? Breakable(text) : text.Index())
                    where line.Item.Length > limit
                    select $"{file}:{line.Index + 1}: {line.Item.Length} characters";
        Expect.Nothing(lines, $"Longer than the {limit} characters of .editorconfig:");
    }

    [TestMethod]
    public void TestNames_OfEveryTest_StateMethodStateAndResult()
    {
        var names = from file in Repository.Files("*.cs", "test")
                    from match in TestMethod().Matches(File.ReadAllText(Repository.PathOf(file)))
                    let name = match.Groups[1].Value
                    where !MethodStateResult().IsMatch(name)
                    select $"{file}: {name}";
        Expect.Nothing(names, "Tests are named Method_State_Result, like Load_MissingFile_NamesTheFile:");
    }

    /// <summary>Files of other people are opened by InputFile, which refuses what is no regular file; the others here open the tool's own.</summary>
    [TestMethod]
    public void Sources_ThatOpenFilesToRead_AreKnown()
    {
        string[] known = ["Common/InputFile.cs", "Distributed/RankPlace.cs", "Options/XmlDocumentation.cs", "Microsoft.ML.Nlft/ModelZip.cs",
            "Runtime/OlderStandardLibrary.cs"];
        var sources = from file in Repository.Files("*.cs", "src")
                      where !known.Any(name => file.EndsWith("/" + name, StringComparison.Ordinal))
                      from line in File.ReadAllLines(Repository.PathOf(file)).Index()
                      where Opening().IsMatch(line.Item)
                      select $"{file}:{line.Index + 1}: {line.Item.Trim()}";
        Expect.Nothing(sources, "Read files through InputFile (Common):");
    }

    [GeneratedRegex(@"^(?!\s*///).*(\bFile\.(OpenRead|OpenHandle|OpenText|ReadAll\w*|ReadLines)\(|\bFileMode\.Open\b)")]
    private static partial Regex Opening();

    /// <summary>The lines of a page without what has no place to wrap: rows of tables, lone links, and what a terminal shows.</summary>
    private static IEnumerable<(int Index, string Item)> Breakable(string[] page)
    {
        var fence = "";
        foreach (var (index, line) in page.Index())
        {
            if (line.TrimStart().StartsWith("```", StringComparison.Ordinal)) fence = fence == "" ? line.Trim() : "";
            else if (fence is not ("```text" or "```console") && !Unbreakable().IsMatch(line)) yield return (index, line);
        }
    }

    [GeneratedRegex(@"^max_line_length = (\d+)$", RegexOptions.Multiline)]
    private static partial Regex MaximumLength();

    /// <summary>A row of a table, or a line that is one link or address.</summary>
    [GeneratedRegex(@"^\s*(\||(- )?(\[[^\]]*\]\(\S+\)|\[[^\]]*\]: \S+|https?://\S+)\S?$)")]
    private static partial Regex Unbreakable();

    /// <summary>The name of a test: attributes, on lines of their own or of several lines, lead to the method.</summary>
    [GeneratedRegex(@"^ *\[TestMethod\b(?:.*\n)+? *public (?:static |async |unsafe )*(?:void|Task) (\w+)\(", RegexOptions.Multiline)]
    private static partial Regex TestMethod();

    [GeneratedRegex("^[A-Z][A-Za-z0-9]*(_[A-Z][A-Za-z0-9]*)+$")]
    private static partial Regex MethodStateResult();
}
