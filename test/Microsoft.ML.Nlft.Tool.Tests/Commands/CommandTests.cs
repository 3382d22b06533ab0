using System.Text.Json;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tool.Commands;

namespace Microsoft.ML.Nlft.Tool.Tests.Commands;

/// <summary>Judging, generating, evaluating, talking and looking, each through its command line.</summary>
[TestClass]
public sealed class CommandTests
{
    [TestMethod]
    public void Judge_ByRule_WritesReadableJudgments()
    {
        using var tool = new ToolRun();
        tool.WriteRows();

        tool.Succeed("judge --data rows.csv --output judged.jsonl");

        var rows = DataFile.ReadExamples(tool.PathOf("judged.jsonl"));
        Assert.AreEqual("3 rows: 1 right, 2 with a judgment.", tool.Error.Trim());
        Assert.AreEqual("The final answer 6 is wrong: the right answer is 5.", rows[0].Judgment);
        Assert.IsNull(rows[1].Judgment);
        Assert.StartsWith("The calculation 4+4 = 9 is wrong: 4+4 is 8, not 9.", rows[2].Judgment!);
    }

    [TestMethod]
    public void Judge_KeepJudgments_LeavesThem()
    {
        using var tool = new ToolRun();
        tool.WriteRows();

        var lines = tool.Succeed("judge --data rows.csv --keep").Trim().Split('\n');

        Assert.AreEqual("The sum is 5.", JsonDocument.Parse(lines[0]).RootElement.GetProperty("Judgment").GetString());
    }

    [TestMethod]
    public void Evaluate_WithoutModel_ComparesResponsesOfTheFile()
    {
        using var tool = new ToolRun();
        tool.WriteRows();

        var table = tool.Succeed("evaluate --data rows.csv --output outcomes.jsonl");

        Assert.StartsWith("accuracy        33.33 %", table);
        Assert.Contains("wrong               2", table);
        var outcomes = File.ReadLines(tool.PathOf("outcomes.jsonl"))
            .Select(line => JsonDocument.Parse(line).RootElement.GetProperty("Outcome").GetString());
        CollectionAssert.AreEqual(new[] { "Wrong", "Correct", "Wrong" }, outcomes.ToArray());
    }

    [TestMethod]
    public void Evaluate_WithModel_ComparesItsAnswers()
    {
        using var tool = new ToolRun();
        tool.WriteRows();

        var table = tool.Succeed("evaluate --model MODEL --data rows.csv --maximum-new-tokens 4 --maximum-batch-size 2");

        Assert.Contains("total               3", table);
        Assert.Contains("Answering: 100 %, 3 of 3 answers", tool.Error);
    }

    [TestMethod]
    public void Evaluate_UpdateCard_WritesTheResult()
    {
        using var tool = new ToolRun();
        tool.WriteRows();
        tool.Succeed("train --model MODEL --data rows.csv --output out --epochs 1");
        Assert.DoesNotContain("rows of rows.csv", File.ReadAllText(tool.PathOf("out/README.md")));

        tool.Succeed("evaluate --adapter out --data rows.csv --maximum-new-tokens 4 --card");

        Assert.Contains("3 rows of rows.csv", File.ReadAllText(tool.PathOf("out/README.md")));
        Assert.AreEqual(3, LocalModelDescription.Load(tool.PathOf("out")).Card!.Evaluation!.Total);
        Assert.AreEqual(ExitCode.BadInput, tool.Run("evaluate --model MODEL --data rows.csv --card"));
        Assert.Contains("expected the description of a saved model", tool.Error);
    }

    [TestMethod]
    public void Generate_Question_PrintsTheLibrarysAnswer()
    {
        using var tool = new ToolRun();
        using var model = LocalModel.Load(tool.Model);
        var expected = model.Answer(["2+3?"], new() { MaximumNewTokens = 8 })[0].Text;

        Assert.AreEqual(expected, tool.Succeed("generate --model MODEL --question 2+3? --maximum-new-tokens 8")[..^1]);
    }

    [TestMethod]
    public void Generate_File_AnswersEveryRow()
    {
        using var tool = new ToolRun();
        tool.WriteRows();
        using var model = LocalModel.Load(tool.Model);
        var expected = model.Answer(["2+3?", "1+1?", "4+4?"], new() { MaximumNewTokens = 5, Temperature = 1, Seed = 3 }).Select(answer => answer.Text)
            .ToArray();

        tool.Succeed("generate --model MODEL --data rows.csv --output answers.jsonl --maximum-new-tokens 5 --temperature 1 --seed 3");

        var rows = File.ReadLines(tool.PathOf("answers.jsonl")).Select(line => JsonDocument.Parse(line).RootElement).ToArray();
        CollectionAssert.AreEqual(expected, rows.Select(row => row.GetProperty("Response").GetString()).ToArray());
        Assert.AreEqual("#### 8", rows[2].GetProperty("Answer").GetString());
        Assert.AreEqual("Length", rows[2].GetProperty("FinishReason").GetString());
    }

    [TestMethod]
    public void Saliency_Rows_PrintsATableEach()
    {
        using var tool = new ToolRun();
        tool.WriteRows();

        var tables = tool.Succeed("saliency --model MODEL --data rows.csv --rows 2");

        Assert.Contains("rows.csv, line 2: The sum is 5.", tables);
        Assert.Contains("rows.csv, line 4: a right response", tables);
        Assert.DoesNotContain("line 5", tables);
        Assert.Contains("       base    judge  standard  weight  coefficient  token", tables);
        Assert.HasCount("2+3=6\n#### 6".Length + 1, tables.Split("\n\n")[0].Split('\n')[2..^1]); // one token per character and the end
    }

    [TestMethod]
    public void Saliency_Output_WritesAMap()
    {
        using var tool = new ToolRun();
        tool.WriteRows();

        Assert.AreEqual("2 rows, map in map.html\n",
            tool.Succeed("saliency --model MODEL --data rows.csv --rows 2 --output map.html --objective-cluster-rule none"));

        Assert.Contains("<title>Saliency map: model</title>", File.ReadAllText(tool.PathOf("map.html")));
    }

    [TestMethod]
    public void Inspect_OneModel_ShowsArchitectureMemoryAndPrompts()
    {
        using var tool = new ToolRun();

        var shown = tool.Succeed("inspect --model MODEL --lora-rank 4 --prompt-judge-user {question}:{judgment}");

        Assert.MatchesRegex("model_type +llama", shown);
        Assert.Contains("8,800", shown); // 257 x 16; twice 2 x 16 x 16 + 2 x 8 x 16 + 3 x 16 x 32 + 2 x 16; 16
        Assert.Contains("train, rank 4: 1,152 parameters", shown); // twice 3 x 4 x (16 + 32)
        foreach (var use in (
            string[])["managed +generate", "managed +train ", "managed +train --recompute-activations", "torchsharp +train, Int8Weights"])
        {
            Assert.MatchesRegex($"{use}.+ [KM]iB", shown);
        }
        Assert.Contains("the folder has no chat template", shown);
        Assert.Contains("What is 2 + 3?:2 + 3 is 5, not 6.", shown);
        Assert.Contains("an answer ends at: <eos> (256)", shown);
    }

    [TestMethod]
    public void Inspect_WithoutWeights_ShowsSizes()
    {
        using var tool = new ToolRun();
        Directory.CreateDirectory(tool.PathOf("bare"));
        File.Copy(Path.Combine(tool.Model, "config.json"), tool.PathOf("bare/config.json"));

        var (whole, bare) = (tool.Succeed("inspect --model MODEL"), tool.Succeed("inspect --model bare"));

        Assert.Contains("from config.json: there is no weight file", bare);
        Assert.Contains("Prompts: not shown, there is no tokenizer.json", bare);
        Assert.AreEqual(Line(whole, "managed     train "), Line(bare, "managed     train "));

        static string Line(string text, string start) => text.Split('\n').First(line => line.StartsWith(start, StringComparison.Ordinal));
    }

    [TestMethod]
    public void Inspect_SeveralModels_ComparesThem()
    {
        using var tool = new ToolRun { Width = 130 };

        var shown = tool.Succeed("inspect --model MODEL MODEL --rows 2 --tokens 64");

        Assert.StartsWith("Memory, 2 rows of 64 tokens together; train: LoRA of rank 16 on gate_proj, up_proj, down_proj", shown);
        Assert.HasCount(4,
            shown.Split('\n').Where(line => line.StartsWith("model  ", StringComparison.Ordinal) && line.Contains("8,800", StringComparison.Ordinal))
            .ToArray());
    }

    [TestMethod]
    public void Generate_JsonSchema_IsSatisfied()
    {
        using var tool = new ToolRun();
        File.WriteAllText(tool.PathOf("schema.json"), """{ "enum": ["three", "four"] }""");
        var answer = tool.Succeed(["generate", "--model", tool.Model, "--question", "2+3?", "--json-schema", tool.PathOf("schema.json")]);
        Assert.IsTrue(JsonElement.Parse(answer).GetString() is "three" or "four", answer);
        answer = tool.Succeed(["generate", "--model", tool.Model, "--question", "2+3?", "--json-schema", """{ "const": 5 }"""]);
        Assert.AreEqual("5", answer.Trim());
    }

    [TestMethod]
    public void Generate_LogProbabilities_AreWritten()
    {
        using var tool = new ToolRun();
        tool.WriteRows();
        using var model = LocalModel.Load(tool.Model);
        var expected = model.Answer(["2+3?"], new() { MaximumNewTokens = 3, LogProbabilities = true, TopLogProbabilities = 2 })[0];

        tool.Succeed("generate --model MODEL --data rows.csv --output answers.jsonl --maximum-new-tokens 3 --log-probabilities "
            + "--top-log-probabilities 2");

        var tokens = JsonDocument.Parse(File.ReadLines(tool.PathOf("answers.jsonl")).First()).RootElement.GetProperty("Tokens");
        Assert.AreEqual(3, tokens.GetArrayLength());
        for (var i = 0; i < 3; i++)
        {
            Assert.AreEqual(expected.LogProbabilities![i], tokens[i].GetProperty("LogProbability").GetDouble());
            Assert.AreEqual(expected.TopLogProbabilities![i][1].LogProbability,
                tokens[i].GetProperty("Top")[1].GetProperty("LogProbability").GetDouble());
        }
        var lines = tool.Succeed("generate --model MODEL --question 2+3? --maximum-new-tokens 3 --log-probabilities").TrimEnd().Split('\n');
        Assert.MatchesRegex(@"^"".*"" -\d+\.\d{3}$", lines[^1]);
        Assert.DoesNotContain("Tokens", tool.Succeed("generate --model MODEL --data rows.csv --maximum-new-tokens 3"));
    }

    [TestMethod]
    public void Doctor_SelfTest_Passes()
    {
        using var tool = new ToolRun();

        var report = tool.Succeed("doctor --threads 1");

        foreach (var type in (TensorType[])[TensorType.F32, TensorType.BF16, TensorType.F16])
            Assert.MatchesRegex($"self-test {type} +passed", report);
        Assert.MatchesRegex(@"engine +managed on cpu, 1 threads", report);
        Assert.MatchesRegex(@"GPU engine +(no NVIDIA driver|NVIDIA driver for CUDA up to \d+\.\d+)", report);
        Assert.MatchesRegex(@"models +weights of up to \d+\.\d billion parameters in 16 bits fit", report);
    }

    [TestMethod]
    public void Doctor_Gpu_NamesTheNeededPackages()
    {
        Assert.AreEqual("no NVIDIA driver; --engine torch runs on the CPU, with the libraries of TorchSharp-cpu beside the tool",
            DoctorCommand.GpuAdvice(null));
        var native = OperatingSystem.IsWindows() ? "TorchSharp-cuda-windows" : OperatingSystem.IsLinux() ? "TorchSharp-cuda-linux" : "TorchSharp-cpu";
        Assert.AreEqual($"NVIDIA driver for CUDA up to 12.8; --engine torch uses it, with the libraries of {native} beside the tool",
            DoctorCommand.GpuAdvice(new(12, 8)));
    }

    [TestMethod]
    [DataRow("bash", "complete -F _nlft_complete nlft")]
    [DataRow("zsh", "compdef _nlft nlft")]
    [DataRow("pwsh", "Register-ArgumentCompleter")]
    public void Completion_Shell_PrintsAScript(string shell, string line)
    {
        using var tool = new ToolRun();

        Assert.Contains(line, tool.Succeed($"completion {shell}"));
    }

    [TestMethod]
    [DataRow("nlft tra", "train")]
    [DataRow("nlft train --learn", "--learning-rate")]
    [DataRow("nlft train --schedule ", "linear")]
    public void Suggest_CommandLine_ListsContinuations(string line, string suggestion)
    {
        using var tool = new ToolRun();
        Assert.AreEqual(0, tool.Run([$"[suggest:{line.Length}]", line]));
        Assert.Contains(suggestion, tool.Out.Split('\n'));
    }

    [TestMethod]
    public void Help_Options_AreGroupedBySection()
    {
        using var tool = new ToolRun();

        var help = tool.Succeed("train --help");

        Assert.Contains("Usage: nlft train --data FILE --output FOLDER [options]", help);
        Assert.Contains("Training (\"FineTune\" in an options file):\n  --epochs N\n      Passes over the rows, 1 or more. Default 10.\n", help);
        Assert.Contains("  --objective-cluster-rule dissimilar|similar|none\n", help);
        Assert.Contains("Default \"{question}\\n\\nJudgment: {judgment}\".", help.ReplaceLineEndings(" ").Replace("      ", ""));
        foreach (var line in help.Split('\n')) Assert.IsLessThanOrEqualTo(120, line.Length, line);
    }
}
