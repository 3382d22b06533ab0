using System.CommandLine;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Tool.Data;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Commands;

/// <summary>Defines --data and --delimiter, the file that rows are read from.</summary>
internal sealed class DataArguments
{
    private readonly Option<string> _data = new("--data", "-d") { HelpName = "FILE" };
    private readonly Option<string> _delimiter = new("--delimiter")
    {
        Description = "The character between the fields of a .csv file, \\t for a tab. Default: a comma.",
        HelpName = "C",
    };
    private const string Tab = "\\t";
    private readonly ToolConsole _console;

    /// <summary>Adds the two options to a command.</summary>
    /// <param name="console">Resolves the path.</param>
    /// <param name="command">The command.</param>
    /// <param name="required">Whether the command needs rows.</param>
    /// <param name="trains">Whether it reads rows to train on, in any of their layouts.</param>
    public DataArguments(ToolConsole console, Command command, bool required = true, bool trains = false)
    {
        _console = console;
        _data.Required = required;
        _data.Description = trains
            ? "The rows: .jsonl, .json, .csv, .tsv or .parquet. Their columns say what they are: NLFT rows, questions and answers, prompts and "
                + "completions, instructions (alpaca), messages (OpenAI), conversations (ShareGPT) or text."
            : "The rows: .jsonl (one JSON object per line), .csv, .tsv, or .json (a list in the form of the published data of NLFT or CUT).";
        _delimiter.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: { Length: not 1 } and not Tab } token])
                result.AddError($"--delimiter: found \"{token.Value}\"; expected one character.");
        });
        command.Add(_data);
        command.Add(_delimiter);
    }

    /// <summary>The --data option.</summary>
    public Option<string> Data => _data;

    /// <summary>Reads the rows.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="options">The names of the columns.</param>
    /// <param name="required">The properties of <see cref="DataRow"/> that every row must fill in.</param>
    public IReadOnlyList<DataRow> Read(ParseResult parsed, ToolOptions options, params string[] required) =>
        DataFile.Read(_console.PathOf(parsed.GetValue(_data)!), format: null, options.Columns, Delimiter(parsed), required);

    /// <summary>
    /// Refuses an output that is no regular file, and one that is the rows that are read: columns that the tool does not use would be lost.
    /// </summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="output">The file to write, or null.</param>
    /// <param name="option">The option that names it.</param>
    /// <exception cref="NlftException">A link, a pipe, a device or a folder is there, or the file of --data, directly or through links.</exception>
    public void RequireOutput(ParseResult parsed, string? output, string option = "--output")
    {
        if (output is null) return;
        output = _console.PathOf(output);
        OutputFile.RequireNoLink(output);
        if (parsed.GetValue(_data) is not { } data || !RealPath.Same(_console.PathOf(data), output)) return;
        throw new NlftException(output, "the file that --data names", "another file",
            $"Name another file with {option}: columns that this command does not use would be lost.");
    }

    /// <summary>Says which layout rows to train on have.</summary>
    public void Say(ParseResult parsed, TrainingRows rows) => _console.Error.WriteLine($"{parsed.GetValue(_data)} reads as {rows.Layout}.");

    /// <summary>Reads rows to train on, of any layout.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="options">The names of the columns.</param>
    /// <param name="supervised">Whether they are for supervised fine-tuning; null: as their layout says.</param>
    public TrainingRows ReadTraining(ParseResult parsed, ToolOptions options, bool? supervised) =>
        ReadTraining(parsed.GetValue(_data)!, parsed, options, supervised);

    /// <summary>Reads the rows of another file to train on or to validate with, of any layout.</summary>
    public TrainingRows ReadTraining(string file, ParseResult parsed, ToolOptions options, bool? supervised)
    {
        var path = _console.PathOf(file);
        return Path.GetExtension(path).Equals(".parquet", StringComparison.OrdinalIgnoreCase)
            ? TrainingFile.Of(ParquetRows.Read(path), path, supervised, options.Columns)
            : TrainingFile.Read(path, supervised, options.Columns, Delimiter(parsed));
    }

    /// <summary>Returns the delimiter that was given, or null.</summary>
    public char? Delimiter(ParseResult parsed) => parsed.GetValue(_delimiter) is { } delimiter ? delimiter == Tab ? '\t' : delimiter[0] : null;
}
