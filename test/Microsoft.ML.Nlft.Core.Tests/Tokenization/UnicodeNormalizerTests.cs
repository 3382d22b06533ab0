using System.Text;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Tests.Tokenization;

/// <summary>The table of decompositions that ships compressed.</summary>
[TestClass]
public sealed class UnicodeNormalizerTests
{
    private const string Source = "src/Microsoft.ML.Nlft.Core/Tokenization/UnicodeDecompositions.txt";

    [TestMethod]
    public void OpenTable_CompressedTable_EqualsTheReadableSource()
    {
        using var reader = new StreamReader(UnicodeNormalizer.OpenTable(), Encoding.UTF8);

        Assert.AreEqual(File.ReadAllText(Path.Combine(Fixtures.RepositoryRoot(), Source)), reader.ReadToEnd());
    }

    [TestMethod]
    public void OpenTable_EmbeddedResource_IsLessThanHalfAsLongAsTheSource()
    {
        const string Name = "Microsoft.ML.Nlft.Tokenization.UnicodeDecompositions.txt";
        var assembly = typeof(UnicodeNormalizer).Assembly;

        Assert.IsNull(assembly.GetManifestResourceInfo(Name));
        using var resource = assembly.GetManifestResourceStream(Name + ".gz")!;
        Assert.IsLessThan(new FileInfo(Path.Combine(Fixtures.RepositoryRoot(), Source)).Length / 2, resource.Length);
    }
}
