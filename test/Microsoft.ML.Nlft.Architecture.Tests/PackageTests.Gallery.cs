using System.Buffers.Binary;
using System.Text;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Microsoft.ML.Nlft.Architecture;

/// <summary>What a gallery shows of a package: its page, its picture, its addresses, and what comes with it.</summary>
public sealed partial class PackageTests
{
    private const string Address = "https://repository.invalid/microsoft-ml-nlft"; // the placeholder of src/Directory.Build.props

    [TestMethod]
    [DynamicData(nameof(Libraries))]
    public void Package_Metadata_IsWhatAGalleryShows(string library)
    {
        var metadata = Metadata(library);
        Assert.AreEqual(library, metadata["id"].Value);
        Assert.AreEqual(("MIT", "expression"), (metadata["license"].Value, metadata["license"].Attribute("type")!.Value));
        Assert.AreEqual("README.md", metadata["readme"].Value);
        Assert.AreEqual("icon.png", metadata["icon"].Value);
        Assert.AreEqual(Address, metadata["projectUrl"].Value);
        Assert.AreEqual(("git", Address), (metadata["repository"].Attribute("type")!.Value, metadata["repository"].Attribute("url")!.Value));
        Assert.IsInRange(40, 300, metadata["description"].Value.Length, metadata["description"].Value);
        var tags = metadata["tags"].Value.Split(' ');
        CollectionAssert.IsSubsetOf(new[] { "ML.NET", "LLM", "fine-tuning" }, tags);
        CollectionAssert.AllItemsAreUnique(tags);
    }

    [TestMethod]
    [DynamicData(nameof(Libraries))]
    public void Package_Icon_IsASmallSquarePicture(string library)
    {
        var icon = Contents(library)["icon.png"].AsSpan();
        Assert.IsTrue(icon[1..].StartsWith("PNG\r\n"u8), "a PNG file");
        var size = (BinaryPrimitives.ReadInt32BigEndian(icon[16..]), BinaryPrimitives.ReadInt32BigEndian(icon[20..]));
        Assert.AreEqual((128, 128), size);
    }

    [TestMethod]
    [DynamicData(nameof(Libraries))]
    public void Package_Readme_StandsOnItsOwn(string library)
    {
        var readme = Encoding.UTF8.GetString(Contents(library)["README.md"]);
        var source = File.ReadAllText(Repository.PathOf("src", library, "PACKAGE.md"));
        Assert.AreEqual(source.Replace("](../../", $"]({Address}/blob/v0.1.0/").TrimEnd(), readme.TrimEnd(), "PACKAGE.md with whole addresses");
        var links = ReadmeLink().Matches(readme).Select(match => match.Groups[1].Value).ToList();
        Assert.IsGreaterThan(2, links.Count);
        Expect.Nothing(links.Where(link => !link.StartsWith("https://", StringComparison.Ordinal)),
            $"Links in the page of {library} that a gallery breaks:");
        foreach (var link in links.Where(link => link.StartsWith(Address, StringComparison.Ordinal)))
        {
            var file = link[$"{Address}/blob/v0.1.0/".Length..].Split('#')[0];
            Assert.IsTrue(File.Exists(Repository.PathOf(file)), $"{link} leads to no file of the repository.");
        }
        Assert.IsFalse(Html().IsMatch(readme), "A gallery drops HTML.");
    }

    [TestMethod]
    [DataRow("Microsoft.ML.Nlft", "Microsoft.ML, Microsoft.ML.Nlft.Core")]
    [DataRow("Microsoft.ML.Nlft.Core",
        "Google.Protobuf, Microsoft.Extensions.AI.Abstractions, Microsoft.Extensions.DependencyInjection.Abstractions, Microsoft.ML.Tokenizers")]
    [DataRow("Microsoft.ML.Nlft.TorchSharp", "Microsoft.ML.Nlft.Core, TorchSharp")]
    [DataRow("Microsoft.ML.Nlft.Tool", "")]
    public void Package_Dependencies_AreTheNamedOnes(string library, string expected)
    {
        var dependencies = Metadata(library).Values.SelectMany(element => element.Descendants())
            .Where(element => element.Name.LocalName == "dependency").Select(element => element.Attribute("id")!.Value);
        Assert.AreEqual(expected, string.Join(", ", dependencies.Order(StringComparer.Ordinal)));
    }

    [TestMethod]
    public void Packages_Symbols_BelongToEachLibrary()
    {
        foreach (var library in Repository.Libraries)
            Assert.Contains($"{library}.0.1.0.snupkg", s_packed!.Packages);
    }

    private static Dictionary<string, XElement> Metadata(string library)
    {
        var nuspec = XDocument.Load(new MemoryStream(Contents(library)[$"{library}.nuspec"]));
        return nuspec.Root!.Elements().Single().Elements().ToDictionary(element => element.Name.LocalName);
    }

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex ReadmeLink();

    [GeneratedRegex(@"</?[a-z]+[ >]", RegexOptions.IgnoreCase)]
    private static partial Regex Html();
}
