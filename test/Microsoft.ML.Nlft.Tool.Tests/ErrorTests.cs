namespace Microsoft.ML.Nlft.Tool.Tests;

/// <summary>Every failure is one line that names the thing and the way out, and an exit code.</summary>
[TestClass]
public sealed class ErrorTests
{
    [TestMethod]
    [DataRow(2, "trian", "unknown argument 'trian'. Did you mean 'train'? See 'nlft --help'.")]
    [DataRow(2, "train --epoch 3", "unknown option '--epoch'. Did you mean '--epochs'? See 'nlft train --help'.")]
    [DataRow(2, "generate --max 3", "Did you mean '--maximum-batch-size'?")]
    [DataRow(2, "train --epochs three --model MODEL --data rows.csv --output out", "--epochs: found \"three\"; expected a whole number.")]
    [DataRow(2, "train --learning-rate 0,1 --model MODEL --data rows.csv --output out", "--learning-rate: found \"0,1\"; expected a number, with a "
        + "point for decimals.")]
    [DataRow(2, "train --schedule sawtooth --model MODEL --data rows.csv --output out", "--schedule: found \"sawtooth\"; expected cosine, linear, "
        + "constant.")]
    [DataRow(2, "train --lora-rank-pattern up_proj --model MODEL --data rows.csv --output out", "--lora-rank-pattern: found \"up_proj\"; expected "
        + "NAME=VALUE.")]
    [DataRow(2, "train --model MODEL --data rows.csv", "Option '--output' is required.")]
    [DataRow(2, "train --data rows.csv --output out", "a model is needed: give --model FOLDER.")]
    [DataRow(2, "train --weights all --adapter a --data rows.csv --output out", "leave --adapter out")]
    [DataRow(2, "generate --model MODEL", "give either --question TEXT or --data FILE.")]
    [DataRow(2, "generate --model MODEL --question a --data rows.csv", "give either --question TEXT or --data FILE.")]
    [DataRow(2, "evaluate --comparison exact --data rows.csv", "--comparison: found \"exact\"; expected number, published-string or text.")]
    [DataRow(2, "judge --data rows.csv --delimiter ;;", "--delimiter: found \";;\"; expected one character.")]
    [DataRow(2, "inspect --model MODEL --rows 0", "--rows: found \"0\"; expected 1 or more.")]
    [DataRow(2, "completion tcsh", "tcsh")]
    [DataRow(2, "train --engine gpu --model MODEL --data rows.csv --output out", "--engine: found \"gpu\"; expected managed, torch.")]
    [DataRow(1, "train --device cuda --model MODEL --data rows.csv --output out", "option Device: found \"cuda\"; expected cpu with the managed "
        + "engine. Add --engine torch to use a GPU.")]
    [DataRow(1, "generate --engine torch --prompt-cache-memory 5 --model MODEL --question a", "option PromptCacheMemory: found 5; expected nothing "
        + "or 0 with the torch engine, which keeps no prompts. Leave it out.")]
    [DataRow(1, "train --engine torch --device gpu --model MODEL --data rows.csv --output out", "option Device: found \"gpu\"; expected cpu, cuda "
        + "or cuda:N.")]
    [DataRow(1, "train --engine torch --model MODEL --data rows.csv --output out", "TorchSharp: found no libtorch in ")]
    [DataRow(1, "generate --engine torch --device cpu --model MODEL --question a", "For a program that is built, as nlft is, copy the files of "
        + "runtimes/")]
    [DataRow(1, "train --epochs 0 --model MODEL --data rows.csv --output out", "option Epochs: found 0; expected 1 or more.")]
    [DataRow(1, "train --objective-scale -1 --model MODEL --data rows.csv --output out", "option Scale: found -1; expected a finite number above 0.")]
    [DataRow(1, "train --lora-rank 0 --model MODEL --data rows.csv --output out", "option Rank: found 0; expected an integer from 1 to 65536.")]
    [DataRow(1, "train --model MODEL --data none.csv --output out", "none.csv: found no file; expected a CSV or TSV file. Check the path.")]
    [DataRow(1, "train --model MODEL --data none.jsonl --output out", "none.jsonl: found no file; expected a JSON Lines file. Check the path.")]
    [DataRow(1, "train --model MODEL --data rows.xlsx --output out", "rows.xlsx: found the extension .xlsx; expected .jsonl, .csv, .tsv or .json.")]
    [DataRow(1, "train --model nowhere --data rows.csv --output out", "nowhere: found no such folder, nor a model in models/nowhere, "
        + "models/models--nowhere; expected a folder with config.json")]
    [DataRow(1, "train --model MODEL --data rows.csv --output rows.csv", "rows.csv: found a file; expected a folder, or a place for a new one.")]
    [DataRow(1, "train --model MODEL --data rows.csv --output MODEL", "model: found the folder of the base model; expected another folder.")]
    [DataRow(1, "train --model MODEL --data rows.csv --output . --weights all", "found a folder that is not empty; expected an empty folder, or a "
        + "place for a new one.")]
    [DataRow(1, "train --model MODEL --data questions.csv --output out --method nlft", "questions.csv, line 1: found the columns "
        + "\"Question\", \"Answer\"; expected a column \"Response\". Add it")]
    [DataRow(1, "train --model MODEL --data rows.csv --output .", "Name another folder with --output, or replace the model in it with --overwrite.")]
    [DataRow(1, "train --model MODEL --data rows.csv --output MODEL --overwrite", "model: found the folder of the base model; expected another "
        + "folder.")]
    [DataRow(2, "trian --help", "unknown argument 'trian'. Did you mean 'train'? See 'nlft --help'.")]
    [DataRow(2, "doctor engine", "unknown argument 'engine'. Did you mean '--engine'? See 'nlft doctor --help'.")]
    [DataRow(2, "train --help --ouput out", "unknown option '--ouput'. Did you mean '--output'? See 'nlft train --help'.")]
    [DataRow(2, "models --jsn", "unknown option '--jsn'. Did you mean '--json'? See 'nlft models --help'.")]
    [DataRow(2, "evaluate --data rows.csv --verbos", "unknown option '--verbos'. Did you mean '--verbose'?")]
    [DataRow(1, "train --model MODEL --data rows.csv --output out --options none.json", "none.json: found no such file; expected a JSON file with "
        + "options.")]
    [DataRow(1, "train --model MODEL --data rows.csv --output out --options typo.json",
        "typo.json, \"FineTune.Epoch\": found a key that is no option; "
        + "expected one of Epochs, MaximumSteps, BatchSize")]
    [DataRow(1, "generate --adapter rows.csv --question a", "adapter_config.json")]
    [DataRow(1, "generate --model MODEL --question a --temperature -1", "option Temperature: found -1; expected a finite number, 0 or more.")]
    [DataRow(1, "evaluate --data questions.csv", "questions.csv, line 2: found no \"Response\", here or in any row; expected responses to evaluate, "
        + "or a model to answer the questions.")]
    [DataRow(1, "evaluate --data wordy.csv", "gold answer of wordy.csv, line 2: found \"five\"; expected a number, alone or after ####.",
        DisplayName = "a gold answer without a number")]
    [DataRow(1, "saliency --model MODEL --data gap.csv", "gap.csv, line 3, \"Response\": found an empty field; expected a text. Fill it in or leave "
        + "the row out.")]
    [DataRow(1, "merge --model MODEL --output out", "option --adapter: found nothing; expected the folder of an adapter. Name the adapter with "
        + "--adapter.")]
    public void Run_Failure_PrintsOneLineAndExitCode(int code, string commandLine, string message)
    {
        using var tool = new ToolRun();
        tool.WriteRows();
        tool.Write("questions.csv", "Question,Answer\n1+1?,2\n");
        tool.Write("wordy.csv", "Question,Response,Answer\n2+3?,5,five\n");
        tool.Write("gap.csv", "Question,Response,Answer\na,b,c\nd,,f\n");
        tool.Write("rows.xlsx", "");
        tool.Write("typo.json", """{ "FineTune": { "Epoch": 3 } }""");

        Assert.AreEqual(code, tool.Run(commandLine), tool.Error);

        Assert.AreEqual("", tool.Out);
        Assert.HasCount(1, tool.Error.TrimEnd('\n').Split('\n'), tool.Error);
        Assert.StartsWith("nlft: ", tool.Error);
        Assert.Contains(message, tool.Error.Replace(tool.Folder + Path.DirectorySeparatorChar, "").Replace('\\', '/'));
    }

    [TestMethod]
    public void Run_Verbose_AddsTheStackTrace()
    {
        using var tool = new ToolRun();

        tool.Run("inspect --model nowhere --verbose");

        Assert.Contains("   at Microsoft.ML.Nlft.", tool.Error);
    }

    [TestMethod]
    public void Run_Failure_WritesNothing()
    {
        using var tool = new ToolRun();
        tool.Write("gap.csv", "Question,Response,Answer\na,b,c\nd,,f\n");

        tool.Run("judge --data gap.csv --output judged.jsonl");

        Assert.HasCount(1, Directory.GetFiles(tool.Folder));
    }
}
