using System.Text;
using System.Xml.Linq;

namespace Microsoft.ML.Nlft.Architecture;

/// <summary>What <c>./build.sh pack</c> makes: the same bytes in every folder, and in each package what CONTRIBUTING.md says.</summary>
[TestClass]
[TestCategory("Slow")]
public sealed partial class PackageTests
{
    private const string Tool = "Microsoft.ML.Nlft.Tool";

    private static PackedCopy? s_packed, s_other;

    public static IEnumerable<object[]> Libraries => Repository.Libraries.Select(library => new object[] { library });

    [ClassInitialize]
    public static async Task Pack(TestContext _)
    {
        var other = Task.Run(() => new PackedCopy("another/folder", backwards: true)); // meanwhile, for each takes a minute and more
        s_packed = await Task.Run(() => new PackedCopy("a", backwards: false));
        s_other = await other;
    }

    [ClassCleanup]
    public static void Clean()
    {
        s_packed?.Dispose();
        s_other?.Dispose();
    }

    [TestMethod]
    public void Pack_FromAnotherFolder_MakesTheSameBytes()
    {
        var other = s_other!;
        CollectionAssert.AreEqual(s_packed!.Packages.ToList(), other.Packages.ToList());
        Assert.HasCount((2 * Repository.Libraries.Count()) + 1, other.Packages, "each library with its symbols, and the templates");
        foreach (var package in other.Packages)
        {
            var (ours, theirs) = (s_packed.Contents(package), other.Contents(package));
            Expect.Nothing(ours.Keys.Where(file => !ours[file].AsSpan().SequenceEqual(theirs.GetValueOrDefault(file))), $"Differ in {package}:");
            Assert.IsTrue(s_packed.Bytes(package).AsSpan().SequenceEqual(other.Bytes(package)), package);
        }
    }

    [TestMethod]
    [DynamicData(nameof(Libraries))]
    public void Package_Files_AreTheNamedOnes(string library)
    {
        var found = Contents(library).Keys.Where(file => !(file.StartsWith("tools/") || file.StartsWith("notices/"))).ToList();
        string[] expected = ["LICENSE", "README.md", "THIRD-PARTY-NOTICES.txt", "bom.xml", "icon.png", $"{library}.nuspec"];
        string[] built = library == Tool ? [] : [$"lib/net10.0/{library}.dll", $"lib/net10.0/{library}.xml"];
        CollectionAssert.AreEquivalent(expected.Concat(built).ToList(), found);
        foreach (var (file, source) in new[] { ("LICENSE", "LICENSE"), ("THIRD-PARTY-NOTICES.txt", $"src/{library}/THIRD-PARTY-NOTICES.txt") })
            Assert.IsTrue(File.ReadAllBytes(Repository.PathOf(source)).AsSpan().SequenceEqual(Contents(library)[file]), file);
    }

    [TestMethod]
    public void Tool_Assemblies_AreItsOwnAndThoseOfTheNamedPackages()
    {
        var bundled = Bundle.Files.Concat(Repository.Libraries.Except(["Microsoft.ML.Nlft"]).Select(library => library + ".dll"));
        var found = Contents(Tool).Keys.Where(file => Path.GetExtension(file) is ".dll" or ".so" or ".dylib" && !file.EndsWith(".resources.dll"));
        CollectionAssert.AreEquivalent(bundled.Order().ToList(), found.Select(file => file["tools/net10.0/any/".Length..]).Order().ToList());
        var noticed = Contents(Tool).Keys.Where(file => file.StartsWith("notices/")).Select(file => file.Split('/')[1]).Distinct().ToList();
        Assert.Contains("Microsoft.ML.Tokenizers", noticed);
        Assert.Contains("CommunityToolkit.HighPerformance", noticed);
        Expect.Nothing(noticed.Except(Bundle.Packages.Select(package => package.Split(' ')[0])), "Notices of packages that are not bundled:");
    }

    [TestMethod]
    public void Tool_BillOfMaterials_ListsWhatIsBundled()
    {
        var own = Repository.Libraries.Except(["Microsoft.ML.Nlft", Tool]).ToList();
        CollectionAssert.AreEquivalent(Bundle.Packages.ToList(), Components(Tool).Where(name => !own.Contains(name.Split(' ')[0])).ToList());
        Expect.Nothing(own.Except(Components(Tool).Select(name => name.Split(' ')[0])), "Not in the bill of materials:");
    }

    [TestMethod]
    [DynamicData(nameof(Libraries))]
    public void Library_BillOfMaterials_ListsItsDependencies(string library)
    {
        var nuspec = XDocument.Load(new MemoryStream(Contents(library)[$"{library}.nuspec"])).Descendants();
        var needed = nuspec.Where(element => element.Name.LocalName == "dependency")
            .Select(element => $"{element.Attribute("id")!.Value} {element.Attribute("version")!.Value}");
        Expect.Nothing(needed.Except(Components(library)), $"Dependencies of {library} that its bill of materials does not list:");
        Assert.DoesNotContain("Microsoft.CodeAnalysis.PublicApiAnalyzers", string.Join('\n', Components(library)));
    }

    [TestMethod]
    public void Packages_Files_NameNoFolderOfTheMachine()
    {
        byte[][] folders = [.. new[] { s_packed!.Root, Repository.Root }.Select(Encoding.UTF8.GetBytes)];
        var files = from package in s_packed.Packages
                    from file in s_packed.Contents(package)
                    where folders.Any(folder => file.Value.AsSpan().IndexOf(folder) >= 0)
                    select $"{package}: {file.Key}";
        Expect.Nothing(files, "Files with a path of the machine that packed them:");
    }

    private static Dictionary<string, byte[]> Contents(string library) =>
        s_packed!.Contents(s_packed.Packages.Single(package => package.StartsWith($"{library}.0") && package.EndsWith(".nupkg")));

    /// <summary>The components of the bill of materials, with their versions.</summary>
    private static List<string> Components(string library)
    {
        var bill = XDocument.Load(new MemoryStream(Contents(library)["bom.xml"])).Root!;
        var bom = bill.Name.Namespace;
        return [.. bill.Element(bom + "components")!.Elements()
            .Select(part => $"{part.Element(bom + "name")!.Value} {part.Element(bom + "version")!.Value}")];
    }
}
