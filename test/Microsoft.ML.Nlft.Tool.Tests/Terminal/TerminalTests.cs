using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Microsoft.ML.Nlft.Tool.Tests.Terminal;

/// <summary>
/// The tool as its users run it: a process at a terminal, and the same session with everything piped, which is what docs/cli.md shows.
/// </summary>
[TestClass]
[DoNotParallelize]
public sealed partial class TerminalTests
{
    private const string Question = "Gus has 17 marbles. Lena has 5 fewer than twice as many. How many marbles does Lena have?";
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(5);

    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    public async Task Terminal_WholeSession_TrainsChatsMergesEvaluates()
    {
        if (!OperatingSystem.IsLinux() || !File.Exists("/usr/bin/script"))
            Assert.Inconclusive("No pseudo-terminal here: there is no script of util-linux.");
        using var place = new SessionFolder();

        var (code, screen) = await RunAsync(place, "/usr/bin/script",
            ["--quiet", "--return", "--command", $"bash '{Beside("session.sh")}'", "/dev/null"], atTerminal: true);

        var text = Escapes().Replace(screen, "").Replace("\r", "");
        Assert.AreEqual(0, code, text);
        Assert.Contains("\u001b[", screen, "bars and colours are for terminals");
        Assert.MatchesRegex(new Regex(@"Training: step 20 of 20, loss -?\d+\.\d{4}"), text);
        Assert.Contains("> ", text);
        Assert.MatchesRegex(new Regex(@"#### \d+"), Between(text, "$ nlft chat", "$ nlft merge"), "the answer of the chat");
        Assert.Contains("layers merged, model in merged", text);
        var accuracies = Accuracy().Matches(text)
            .Select(match => double.Parse(match.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture)).ToArray();
        Assert.HasCount(2, accuracies);
        Assert.IsGreaterThan(accuracies[0], accuracies[1], text);
    }

    [TestMethod]
    public async Task Terminal_DocumentedSession_IsTheOneThatRuns()
    {
        var path = Path.Combine(Root, "docs", "cli.md");
        var page = await File.ReadAllTextAsync(path, TestContext.CancellationToken);
        var block = SessionBlock().Match(page);
        Assert.IsTrue(block.Success, "docs/cli.md has no block that begins with ```console");
        var commands = (await File.ReadAllLinesAsync(Beside("session.sh"), TestContext.CancellationToken))
            .Where(line => line.StartsWith("run nlft", StringComparison.Ordinal)).Select(line => "$" + line[3..]).ToArray();

        if (Environment.GetEnvironmentVariable("UPDATE_CLI_SESSION") == "1")
        {
            using var place = new SessionFolder();
            var (code, printed) = await RunAsync(place, "/usr/bin/bash", ["-c", $"bash '{Beside("session.sh")}' 2>&1"], atTerminal: false);
            Assert.AreEqual(0, code, printed);
            page = string.Concat(page.AsSpan(0, block.Groups[1].Index), printed.Replace(place.Path + "/", ""),
                page.AsSpan(block.Groups[1].Index + block.Groups[1].Length));
            await File.WriteAllTextAsync(path, page, TestContext.CancellationToken);
            block = SessionBlock().Match(page);
        }

        CollectionAssert.AreEqual(commands,
            block.Groups[1].Value.Split('\n').Where(line => line.StartsWith("$ ", StringComparison.Ordinal)).ToArray(),
            "Run the session again with UPDATE_CLI_SESSION=1.");
    }

    [TestMethod]
    public void Documentation_CommandLines_Parse()
    {
        var root = new NlftTool(new ToolConsole { In = TextReader.Null, Out = TextWriter.Null, Error = TextWriter.Null }).Root;
        var lines = File.ReadAllLines(Path.Combine(Root, "docs", "cli.md")).Select(line => line.TrimStart('$', ' '))
            .Where(line => line.StartsWith("nlft ", StringComparison.Ordinal)).ToArray();
        Assert.IsGreaterThan(10, lines.Length);
        foreach (var line in lines) Assert.IsEmpty(root.Parse(line.Split('#', '>', '|')[0][5..]).Errors, line);
    }

    /// <summary>
    /// Runs a process in the folder; at a terminal the question is typed when the prompt appears, else it waits on the standard input.
    /// </summary>
    private static async Task<(int Code, string Screen)> RunAsync(SessionFolder place, string program, string[] arguments, bool atTerminal)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = place.Path,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            UseShellExecute = false,
        };
        (start.Environment["TOOL"], start.Environment["TERM"]) = (typeof(NlftTool).Assembly.Location, "xterm-256color");
        using var process = Process.Start(start)!;
        using var patience = new CancellationTokenSource(s_patience);
        var screen = new StringBuilder();
        var buffer = new char[4096];
        var typed = 0;
        if (!atTerminal)
        {
            await process.StandardInput.WriteLineAsync($"{Question}\n/exit");
            process.StandardInput.Close();
        }
        try
        {
            while (await process.StandardOutput.ReadAsync(buffer, patience.Token) is > 0 and var read)
            {
                screen.Append(buffer, 0, read);
                if (!atTerminal || typed >= 2 || Prompts().Count(Escapes().Replace(screen.ToString(), "")) <= typed) continue;
                await process.StandardInput.WriteAsync(typed++ == 0 ? $"{Question}\n" : "/exit\n");
                await process.StandardInput.FlushAsync();
            }
            await process.WaitForExitAsync(patience.Token);
        }
        finally
        {
            if (!process.HasExited) process.Kill(entireProcessTree: true);
        }
        return (process.ExitCode, screen.ToString());
    }

    private static string Between(string text, string first, string second) =>
        text[text.IndexOf(first, StringComparison.Ordinal)..text.IndexOf(second, StringComparison.Ordinal)];

    private static string Root { get; } = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", "..", ".."));

    private static string Beside(string file) => Path.Combine(Path.GetDirectoryName(ThisFile())!, file);

    private static string ThisFile([CallerFilePath] string file = "") => file;

    [GeneratedRegex(@"\x1b(\[[0-9;?]*[A-Za-z]|[=>])")]
    private static partial Regex Escapes();

    [GeneratedRegex(@"^> ", RegexOptions.Multiline)]
    private static partial Regex Prompts();

    [GeneratedRegex(@"^accuracy +([0-9.]+) %", RegexOptions.Multiline)]
    private static partial Regex Accuracy();

    [GeneratedRegex(@"```console\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex SessionBlock();

    /// <summary>A folder with the sample model, twenty rows as CSV and ten questions.</summary>
    private sealed class SessionFolder : IDisposable
    {
        private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("nlft-session");

        public SessionFolder()
        {
            var model = Directory.CreateDirectory(System.IO.Path.Combine(Path, "tiny-word-problems"));
            foreach (var file in Directory.GetFiles(System.IO.Path.Combine(Root, "samples", "models", model.Name)))
                File.Copy(file, System.IO.Path.Combine(model.FullName, System.IO.Path.GetFileName(file)));
            string[] columns = ["Question", "Response", "Judgment", "Answer"];
            var rows = Lines("rows.jsonl").Take(20).Select(line => JsonDocument.Parse(line).RootElement)
                .Select(row => string.Join(',', columns.Select(column => $"\"{row.GetProperty(column).GetString()!.Replace("\"", "\"\"")}\"")));
            File.WriteAllLines(System.IO.Path.Combine(Path, "rows.csv"), [string.Join(',', columns), .. rows]);
            File.WriteAllLines(System.IO.Path.Combine(Path, "test.jsonl"), Lines("test-corrected.jsonl").Take(20));
        }

        public string Path => _folder.FullName;

        public void Dispose() => _folder.Delete(recursive: true);

        private static IEnumerable<string> Lines(string name) => File.ReadLines(System.IO.Path.Combine(Root, "samples", "data", name));
    }
}
