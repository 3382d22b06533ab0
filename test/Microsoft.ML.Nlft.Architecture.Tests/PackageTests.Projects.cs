namespace Microsoft.ML.Nlft.Architecture;

/// <summary>Projects as users start them, from the packages: <c>dotnet new nlft</c> and <c>nlft new</c> give programs that build and run.</summary>
public sealed partial class PackageTests
{
    private const string Templates = "Microsoft.ML.Nlft.Templates";

    private static readonly string s_model = Repository.PathOf("samples", "models", "tiny-word-problems");

    [TestMethod]
    public void Template_NewProject_BuildsAndAnswers()
    {
        using var place = new PackageUser(s_packed!);
        place.Run("new", "install", s_packed!.PathOf($"{Templates}.0.1.0.nupkg"), "--debug:custom-hive", place.PathOf("hive"));
        place.Run("new", "nlft", "-n", "My.App", "--debug:custom-hive", place.PathOf("hive"));
        place.Run("build", "My.App", "-c", "Release", "-v", "q", "-nodeReuse:false");
        var output = place.Run(place.PathOf("My.App/bin/Release/net10.0/My.App.dll"), s_model);
        Assert.Contains("total               6", output);
        Assert.Contains("Answer:   ", output);
        Assert.IsTrue(File.Exists(place.PathOf("adapter/adapter_config.json")));

        place.Run("new", "nlft", "-n", "Gpu", "--engine", "torchsharp", "--debug:custom-hive", place.PathOf("hive"));
        var (project, program) = (File.ReadAllText(place.PathOf("Gpu/Gpu.csproj")), File.ReadAllText(place.PathOf("Gpu/Program.cs")));
        Assert.Contains("""<PackageReference Include="Microsoft.ML.Nlft.TorchSharp" Version="0.1.0" />""", project);
        Assert.Contains("Engine = new TorchSharpEngine(),", program);
        Assert.DoesNotContain("#if", project + program);
        Assert.DoesNotContain("TorchSharp", File.ReadAllText(place.PathOf("My.App/Program.cs")));
    }

    [TestMethod]
    public void Template_Package_HoldsItsFilesAndIsATemplate()
    {
        var contents = s_packed!.Contents($"{Templates}.0.1.0.nupkg");
        string[] expected = ["LICENSE", "README.md", "icon.png", $"{Templates}.nuspec", "content/nlft/.template.config/template.json",
            "content/nlft/NlftApp.csproj", "content/nlft/Program.cs", "content/nlft/rows.csv"];
        CollectionAssert.AreEquivalent(expected, contents.Keys.ToList());
        var nuspec = System.Text.Encoding.UTF8.GetString(contents[$"{Templates}.nuspec"]);
        Assert.Contains("""<packageType name="Template" />""", nuspec);
        Assert.Contains($"<projectUrl>{Address}</projectUrl>", nuspec);
        Assert.DoesNotContain("dependency", nuspec);
        var readme = System.Text.Encoding.UTF8.GetString(contents["README.md"]);
        Expect.Nothing(ReadmeLink().Matches(readme).Select(match => match.Groups[1].Value).Where(link => !link.StartsWith("https://")), "Links:");
    }

    [TestMethod]
    public void NewCommand_ProjectOfACsvFile_BuildsAndAnswers()
    {
        using var place = new PackageUser(s_packed!);
        var rows = Repository.PathOf("eng", "templates", "content", "nlft", "rows.csv");
        File.WriteAllText(place.PathOf("my rows.csv"),
            File.ReadAllText(rows).Replace("Question,Response,Judgment,Answer", "the question,class,Judgment,\"the \"\"answer\"\"\""));
        place.Run(Path.Combine(AppContext.BaseDirectory, $"{Tool}.dll"), "new", "--data", "my rows.csv", "--model", s_model, "--output", "namespace",
            "--column-question", "the question", "--column-response", "class", "--column-answer", "the \"answer\"",
            "--epochs", "4", "--learning-rate", "1e-3", "--maximum-new-tokens", "128");
        place.Run("build", "namespace", "-c", "Release", "-v", "q", "-nodeReuse:false");
        var output = place.Run(place.PathOf("namespace/bin/Release/net10.0/namespace.dll"));
        Assert.Contains("total               6", output);
        Assert.Contains("Question: Jill has 38 flowers.", output);
        Assert.Contains("Answer:   ", output);
    }
}
