using System.CommandLine.Parsing;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Tests.Documentation;

/// <summary>
/// The commands and files of the documentation, page by page and in their order, in a folder where the sample model is <c>model</c>. Where a page
/// shows what a command prints, it prints just that; UPDATE_DOCS=1 writes it into the page.
/// </summary>
[TestClass]
public sealed partial class PageTests
{
    public static IEnumerable<object[]> Pages =>
        Directory.GetFiles(Path.Combine(Root, "docs"), "*.md").Order(StringComparer.Ordinal).Select(page => "docs/" + Path.GetFileName(page))
            .Append("src/Microsoft.ML.Nlft.Tool/PACKAGE.md").Select(page => new object[] { page });

    [TestMethod]
    [DynamicData(nameof(Pages))]
    public void Page_CommandsAndFiles_PrintWhatIsShown(string page)
    {
        var path = Path.Combine(Root, page);
        var text = File.ReadAllText(path).ReplaceLineEndings("\n");
        using var place = new Place();
        var written = Fence().Replace(text, block =>
        {
            var (language, body) = (block.Groups[1].Value, block.Groups[2].Value);
            switch (language)
            {
                case "csv":
                    place.UseRows(body);
                    break;
                case "json":
                    place.UseOptions(body);
                    break;
                case "console" when !IsTerminalSession(body):
                    return $"```console\n{place.Run(body)}```";
            }
            return block.Value;
        });
        if (Environment.GetEnvironmentVariable("UPDATE_DOCS") == "1") File.WriteAllText(path, written);
        else Assert.AreEqual(text, written, $"{page} shows other output than the commands print. Run the test again with UPDATE_DOCS=1.");
    }

    [TestMethod]
    public void Troubleshooting_OpenQuote_IsTheMessageOfThePage()
    {
        using var place = new Place();
        File.WriteAllText(place.PathOf("rows.csv"), "Question,Response,Answer\n\"2+3?,6,5\n");
        Assert.AreEqual(ExitCode.BadInput, place.Start("judge --data rows.csv", out _, out var error));
        Assert.Contains($"```text\n{error.Replace("nlft: ", "").Replace(place.PathOf(""), "").TrimEnd()}\n```",
            File.ReadAllText(Path.Combine(Root, "docs", "troubleshooting.md")));
    }

    [TestMethod]
    public void OptionsPage_EveryOption_IsListedWithItsDefault()
    {
        var page = File.ReadAllText(Path.Combine(Root, "docs", "options.md"));
        foreach (var option in OptionProperty.All)
        {
            var mention = Regex.Matches(page, $@"`(\w+\.)*{option.Property.Name}`(?: \(([^)]*)\))?")
                .Where(match => match.Groups[1].Value is "" || option.Path.Any(step => $"{step.Name}." == match.Groups[1].Value)).ToList();
            Assert.IsNotEmpty(mention, $"docs/options.md says nothing of {option.Name}.");
            foreach (var named in mention.Select(match => match.Groups[2].Value).Where(named => named.Length > 0))
            {
                Assert.IsTrue(double.TryParse(named, CultureInfo.InvariantCulture, out var number)
                    ? Convert.ToDouble(option.Default, CultureInfo.InvariantCulture) == number : named == option.DefaultText,
                    $"docs/options.md: the default of {option.Name} is {option.DefaultText}, not {named}.");
            }
        }
    }

    /// <summary>The session of docs/cli.md has a test of its own, at a terminal.</summary>
    private static bool IsTerminalSession(string body) => body.Contains("tiny-word-problems", StringComparison.Ordinal);

    private static string Root { get; } = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", "..", ".."));

    private static string ThisFile([CallerFilePath] string file = "") => file;

    [GeneratedRegex(@"^```(\w*)\n(.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex Fence();

    /// <summary>The folder that the pages suppose.</summary>
    private sealed class Place : IDisposable
    {
        private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("nlft-pages");

        public Place()
        {
            Copy(Path.Combine("samples", "models", "tiny-word-problems"), "model");
            foreach (var configuration in Directory.GetDirectories(Path.Combine(Root, "docs", "configs")))
                Copy(Path.GetRelativePath(Root, configuration), Path.GetRelativePath(Root, configuration));
            var rows = File.ReadLines(Path.Combine(Root, "samples", "data", "rows.jsonl")).Take(3).ToArray();
            File.WriteAllLines(PathOf("rows.jsonl"), rows);
            File.WriteAllLines(PathOf("more.jsonl"), rows);
            File.WriteAllLines(PathOf("chats.jsonl"), File.ReadLines(Path.Combine(Root, "samples", "data", "chats.jsonl")).Take(3));
            string[] columns = ["Question", "Response", "Judgment", "Answer"];
            File.WriteAllLines(PathOf("rows.csv"), [string.Join(',', columns), .. rows.Select(row => JsonElement.Parse(row))
                .Select(row => string.Join(',', columns.Select(column => $"\"{row.GetProperty(column).GetString()!.Replace("\"", "\"\"")}\"")))]);
            File.Copy(PathOf("rows.csv"), PathOf("questions.csv"));
            // An adapter as Python leaves it: no nlft.json, and a base model by its name on the hub.
            using var model = LocalModel.Load(PathOf("model"), new() { Trainable = Engines.TrainableWeights.Lora });
            model.ExportAdapter().Save(PathOf("python-adapter"), "someone/some-model");
        }

        public string PathOf(string name) => $"{_folder.FullName}{Path.DirectorySeparatorChar}{name}";

        /// <summary>Rows of a page: with responses they are training rows, without them questions. They can be read.</summary>
        public void UseRows(string csv)
        {
            var name = csv.StartsWith("Question,Response", StringComparison.Ordinal) ? "rows.csv" : "questions.csv";
            File.WriteAllText(PathOf(name), csv);
            Assert.IsGreaterThan(1, DataFile.Read(PathOf(name), required: name == "rows.csv" ? ["Response", "Answer"] : ["Answer"]).Count);
        }

        /// <summary>An options file of a page can be read, and is there for the commands that follow.</summary>
        public void UseOptions(string json)
        {
            File.WriteAllText(PathOf("options.json"), json);
            OptionsFile.Read(PathOf("options.json"), new ToolOptions());
        }

        /// <summary>Runs the commands of a block; what they print replaces what the block shows, where it shows anything.</summary>
        public string Run(string block)
        {
            var written = new System.Text.StringBuilder();
            foreach (var part in Command().Split(block).Where(part => part.Length > 0))
            {
                var lines = part.Split('\n', 2);
                var code = Start(lines[0]["$ nlft ".Length..].Split(" # ")[0].Split(" > ")[0], out var output, out var error);
                Assert.AreEqual(ExitCode.Success, code, $"{lines[0]}\n{error}");
                written.Append(lines[0]).Append('\n')
                    .Append(lines[1].Length > 0 || lines[0].Contains("docs/configs", StringComparison.Ordinal) ? output.Replace(PathOf(""), "") : "");
            }
            return written.ToString();
        }

        public int Start(string command, out string output, out string error)
        {
            using var stop = new CancellationTokenSource();
            var (result, message) = (new StringWriter(), new ServerError(stop));
            if (command.StartsWith("serve ", StringComparison.Ordinal)) command += " --port 0"; // any free one
            var console = new ToolConsole
            {
                In = TextReader.Null, Out = result, Error = message, WorkingDirectory = _folder.FullName, Environment = _ => null,
            };
            var code = new NlftTool(console).RunAsync([.. CommandLineParser.SplitCommandLine(command)], stop.Token).GetAwaiter().GetResult();
            (output, error) = (result.ToString(), message.ToString());
            return code;
        }

        public void Dispose() => _folder.Delete(recursive: true);

        private void Copy(string from, string to)
        {
            Directory.CreateDirectory(PathOf(to));
            foreach (var file in Directory.GetFiles(Path.Combine(Root, from))) File.Copy(file, Path.Combine(PathOf(to), Path.GetFileName(file)));
        }
    }

    /// <summary>The standard error of a command. A server that listens is stopped, as by Ctrl+C.</summary>
    private sealed class ServerError(CancellationTokenSource stop) : StringWriter
    {
        public override void WriteLine(string? value)
        {
            base.WriteLine(value);
            if (value?.EndsWith("stop with Ctrl+C.", StringComparison.Ordinal) is true) stop.Cancel();
        }
    }

    [GeneratedRegex(@"^(?=\$ nlft )", RegexOptions.Multiline)]
    private static partial Regex Command();
}
