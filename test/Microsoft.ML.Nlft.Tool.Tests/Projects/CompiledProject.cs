using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Microsoft.ML.Nlft.Tool.Tests.Projects;

/// <summary>The sources of a project, compiled in memory as the SDK would: with its implicit usings.</summary>
internal sealed class CompiledProject
{
    private const string Usings = """
        global using System; global using System.Collections.Generic; global using System.IO; global using System.Linq;
        global using System.Net.Http; global using System.Threading; global using System.Threading.Tasks;
        """;

    /// <summary>What all projects share: the references are read once.</summary>
    private static readonly CSharpCompilation s_shared = CSharpCompilation.Create("Project", [CSharpSyntaxTree.ParseText(Usings)],
        ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator).Where(path => path.EndsWith(".dll"))
            .Select(path => MetadataReference.CreateFromFile(path)),
        new CSharpCompilationOptions(OutputKind.ConsoleApplication, nullableContextOptions: NullableContextOptions.Enable));

    public CompiledProject(string folder)
    {
        Files = Directory.GetFiles(folder, "*.cs").ToDictionary(file => Path.GetFileName(file), File.ReadAllText);
        var trees = Files.Select(file => CSharpSyntaxTree.ParseText(file.Value, path: file.Key)).ToList();
        Complaints = [.. s_shared.AddSyntaxTrees(trees).GetDiagnostics()
            .Where(found => found.Severity >= DiagnosticSeverity.Warning).Select(found => found.ToString())];
        Identifiers = [.. trees.SelectMany(tree => tree.GetRoot().DescendantTokens())
            .Where(token => token.IsKind(SyntaxKind.IdentifierToken)).Select(token => token.ValueText).Distinct().Order(StringComparer.Ordinal)];
    }

    /// <summary>The texts by name.</summary>
    public IReadOnlyDictionary<string, string> Files { get; }

    /// <summary>The errors and warnings of the compiler.</summary>
    public IReadOnlyList<string> Complaints { get; }

    /// <summary>The names that the sources use.</summary>
    public IReadOnlyList<string> Identifiers { get; }
}
