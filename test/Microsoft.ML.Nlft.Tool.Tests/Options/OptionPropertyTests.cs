using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Tests.Options;

/// <summary>The flags are the library's own options, with the library's own documentation.</summary>
[TestClass]
public sealed partial class OptionPropertyTests
{
    [TestMethod]
    public void Flags_EveryOption_HasADocumentedFlag()
    {
        var documentation = new XmlDocumentation();
        Assert.IsGreaterThan(60, OptionProperty.All.Count);
        foreach (var property in OptionProperty.All)
        {
            Assert.IsGreaterThan(15, documentation.Summary(property.Property).Length, property.Name);
            Assert.MatchesRegex(new Regex("^--[a-z0-9]+(-[a-z0-9]+)*$"), property.Flag, property.Name);
        }
    }

    [TestMethod]
    public void Flags_Command_HasNoDuplicate()
    {
        using var tool = new ToolRun();
        var root = new NlftTool(new ToolConsole { In = TextReader.Null, Out = TextWriter.Null, Error = TextWriter.Null }).Root;
        foreach (var command in root.Subcommands)
        {
            var names = command.Options.SelectMany(option => option.Aliases.Append(option.Name)).ToList();
            CollectionAssert.AllItemsAreUnique(names, command.Name);
        }
    }

    [TestMethod]
    public void Set_FlagOfSeveralSections_SetsThemAll()
    {
        var options = new ToolOptions();
        new OptionFlag([.. OptionProperty.All.Where(property => property.Flag == "--seed")], new XmlDocumentation()).Set(options, 7);
        Assert.AreEqual((7, 7), (options.FineTune.Seed, options.Generation.Seed));
    }

    [TestMethod]
    public void Documentation_Default_IsTheRealOne()
    {
        var documentation = new XmlDocumentation();
        var compared = 0;
        foreach (var property in OptionProperty.All.Where(property => property.Default is int or double or bool))
        {
            if (NamedDefault().Match(documentation.Summary(property.Property)) is not { Success: true } match) continue;
            var named = property.Default is bool ? (object)bool.Parse(match.Groups[1].Value)
                : double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture);
            Assert.AreEqual(named, property.Default is int number ? (double)number : property.Default, property.Name);
            compared++;
        }
        Assert.IsGreaterThan(35, compared);
    }

    [TestMethod]
    [DataRow("BatchSize", "batch-size")]
    [DataRow("TopK", "top-k")]
    [DataRow("Beta1", "beta1")]
    [DataRow("MaximumGradientNorm", "maximum-gradient-norm")]
    public void Kebab_PropertyName_GivesTheFlag(string name, string expected) => Assert.AreEqual(expected, OptionProperty.Kebab(name));

    [TestMethod]
    public void Documentation_References_BecomeFlagsAndValues()
    {
        Assert.StartsWith("Rows per pass through the engine, from 1 to --batch-size; 0 means the whole batch.",
            Summary("FineTune.MicroBatchSize"));
        Assert.StartsWith("all-linear, or a regular expression that the whole module path must match; null", Summary("Lora.TargetPattern"));
        Assert.Contains("The linear layers that are adapted: last names (up_proj),", Summary("Lora.TargetModules"));

        static string Summary(string name) => new XmlDocumentation().Summary(OptionProperty.All.Single(property => property.Name == name).Property);
    }

    [TestMethod]
    [DataRow("epocs", "Epochs")]
    [DataRow("learnrate", "LearningRate")]
    [DataRow("Beta", "Beta1")]
    [DataRow("quite something else", null)]
    public void Nearest_Word_FindsTheClosestNameOrNone(string word, string? expected) =>
        Assert.AreEqual(expected, NearestName.Find(word, ["Epochs", "LearningRate", "Beta1", "Beta2"]));

    [GeneratedRegex(@"Default (-?[0-9][0-9.e-]*[0-9]|[0-9]|true|false)\b")]
    private static partial Regex NamedDefault();
}
