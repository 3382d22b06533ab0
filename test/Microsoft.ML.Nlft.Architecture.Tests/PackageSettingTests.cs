using System.Diagnostics;
using System.Text.Json;

namespace Microsoft.ML.Nlft.Architecture;

/// <summary>What docs/publishing.md says of the settings under which packages are published.</summary>
[TestClass]
[TestCategory("Slow")]
public sealed class PackageSettingTests
{
    [TestMethod]
    [DataRow("src/Microsoft.ML.Nlft.Core/Microsoft.ML.Nlft.Core.csproj", "Contoso.Nlft.Core")]
    [DataRow("src/Microsoft.ML.Nlft/Microsoft.ML.Nlft.csproj", "Contoso.Nlft")]
    [DataRow("eng/templates/Microsoft.ML.Nlft.Templates.csproj", "Contoso.Nlft.Templates")]
    public void Settings_InTheEnvironment_NameThePackageAndItsAddresses(string project, string id)
    {
        var start = new ProcessStartInfo("dotnet",
            ["msbuild", project, "-nologo", "-getProperty:PackageId,PackageProjectUrl,RepositoryUrl,NlftFilesUrl,AssemblyName"])
        {
            WorkingDirectory = Repository.Root, RedirectStandardOutput = true,
            Environment = { ["NlftPackageId"] = "Contoso.Nlft", ["NlftRepositoryUrl"] = "https://example.org/nlft" },
        };
        using var process = Process.Start(start)!;
        var properties = JsonElement.Parse(process.StandardOutput.ReadToEnd()).GetProperty("Properties");
        string Property(string name) => properties.GetProperty(name).GetString()!;
        Assert.AreEqual(id, Property("PackageId"));
        Assert.AreEqual("https://example.org/nlft", Property("PackageProjectUrl"));
        Assert.AreEqual("https://example.org/nlft", Property("RepositoryUrl"));
        Assert.AreEqual("https://example.org/nlft/blob/v0.1.0", Property("NlftFilesUrl"));
        Assert.AreEqual(Path.GetFileNameWithoutExtension(project), Property("AssemblyName"), "code and saved models stay valid");
    }
}
