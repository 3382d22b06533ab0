using System.Text.RegularExpressions;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>A program that is compiled to native code does what it does under the just-in-time compiler.</summary>
[TestClass]
[TestCategory("Slow")]
public sealed partial class NativeProgramTests
{
    [TestMethod]
    public void Publish_TheWholeWayThroughAModel_PrintsWhatTheManagedProgramPrints()
    {
        var native = Published.Native();

        Assert.IsEmpty(Warnings().Matches(native.Log).Select(match => match.Value).Distinct().ToList(), "warnings of trimming and compilation");
        Assert.IsEmpty(Directory.GetFiles(native.Folder, "*.dll"), "assemblies that are loaded at run time");
        var expected = Output("dotnet", Path.Combine(AppContext.BaseDirectory, "nlft-aot.dll"));
        StringAssert.Contains(expected, "resumed: the same losses: True");
        Assert.AreEqual(Lines(expected, "after training"), Lines(expected, "loaded again"));
        StringAssert.Contains(expected, "step 6: loss");
        Assert.AreEqual(expected, Output(native.Executable));
        RequireSize(native);
    }

    /// <summary>
    /// The executable holds all that it needs of the runtime, and yet is smaller than the program's assemblies with the core library of the runtime
    /// beside them, which is one of many files of an installed runtime: what no call reaches is left out.
    /// </summary>
    private static void RequireSize(Published native)
    {
        string[] assemblies = ["nlft-aot.dll", "Microsoft.ML.Nlft.Core.dll", "Microsoft.ML.Tokenizers.dll", "Google.Protobuf.dll",
            "Microsoft.Extensions.AI.Abstractions.dll", "Microsoft.Extensions.DependencyInjection.Abstractions.dll",
            typeof(object).Assembly.Location];
        var bound = assemblies.Sum(file => new FileInfo(Path.Combine(AppContext.BaseDirectory, file)).Length);
        Assert.IsLessThan(bound, new FileInfo(native.Executable).Length);
    }

    private static string Output(string program, params string[] arguments)
    {
        var folder = Directory.CreateTempSubdirectory("nlft-aot-");
        try
        {
            var samples = Path.Combine(Published.Root, "samples");
            var (exit, output) = Published.Run(program,
                [.. arguments, Path.Combine(samples, "models", "tiny-word-problems"), Path.Combine(samples, "data", "rows.jsonl"), folder.FullName]);
            Assert.AreEqual(0, exit, output);
            return output;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static string Lines(string output, string beginning) => string.Join('\n',
        output.Split('\n').Where(line => line.StartsWith(beginning, StringComparison.Ordinal)).Select(line => line[(beginning.Length + 1)..]));

    [GeneratedRegex("warning [A-Z]+[0-9]+: .*")]
    private static partial Regex Warnings();
}
