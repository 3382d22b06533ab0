using System.CommandLine;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Commands;

/// <summary>Defines --data and --delimiter, the file that rows are read from.</summary>
internal sealed class DataArguments
{
    private readonly Option<string> _data = new("--data", "-d")
    {
        Description = "The rows: .jsonl (one JSON object per line), .csv, .tsv, or .json (a list in the form of the published data of NLFT or CUT).",
        HelpName = "FILE",
    };
    private readonly Option<string> _delimiter = new("--delimiter")
    {
        Description = "The character between the fields of a .csv file. Default: a comma.",
        HelpName = "C",
    };
    private readonly ToolConsole _console;

    /// <summary>Adds the two options to a command.</summary>
    public DataArguments(ToolConsole console, Command command, bool required = true)
    {
        _console = console;
        _data.Required = required;
        _delimiter.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value.Length: not 1 } token])
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
        Read(parsed.GetValue(_data)!, parsed, options, required);

    /// <summary>Reads the rows of another file in the same way.</summary>
    public IReadOnlyList<DataRow> Read(string path, ParseResult parsed, ToolOptions options, params string[] required) =>
        DataFile.Read(_console.PathOf(path), format: null, options.Columns, parsed.GetValue(_delimiter)?[0], required);
}
