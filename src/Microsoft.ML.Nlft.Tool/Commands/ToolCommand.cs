using System.CommandLine;
using System.CommandLine.Parsing;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Commands;

/// <summary>
/// Base class of the tool's commands. A command names the sections of <see cref="ToolOptions"/> that it uses; their flags are generated. Values
/// come from the defaults (a saved model brings its own), then the options file, then the flags.
/// </summary>
internal abstract class ToolCommand : Command
{
    private readonly Option<string> _file = new("--options")
    {
        Description = "JSON file with options, named as in the library's option records; flags override it.",
        HelpName = "FILE",
    };
    private readonly IReadOnlyList<OptionFlag> _flags;

    protected ToolCommand(ToolConsole console, string name, string description, params string[] sections) : base(name, description)
    {
        Console = console;
        var documentation = new XmlDocumentation();
        _flags = [.. OptionProperty.All.Where(property => sections.Contains(property.Path[0].Name))
            .GroupBy(property => property.Flag).Select(shared => new OptionFlag([.. shared], documentation))];
        SetAction((parsed, cancellationToken) => RunAsync(parsed, OptionsOf(parsed, Defaults(parsed)), cancellationToken));
    }

    /// <summary>The console to read from and write to.</summary>
    protected ToolConsole Console { get; }

    /// <summary>Runs the command.</summary>
    /// <returns>One of the values of <see cref="ExitCode"/>.</returns>
    protected abstract Task<int> RunAsync(ParseResult parsed, ToolOptions options, CancellationToken cancellationToken);

    /// <summary>Adds the options file and the generated flags, after the command's own.</summary>
    protected void AddGeneratedFlags()
    {
        Add(_file);
        foreach (var flag in _flags) Add(flag);
    }

    /// <summary>Returns the defaults of options that neither the options file nor a flag sets.</summary>
    protected virtual ToolOptions Defaults(ParseResult parsed) => new();

    /// <summary>Sets what the options file and the flags say over the defaults.</summary>
    protected ToolOptions OptionsOf(ParseResult parsed, ToolOptions options)
    {
        if (parsed.GetValue(_file) is { } file) OptionsFile.Read(Console.PathOf(file), options);
        foreach (var flag in _flags)
            if (parsed.GetResult(flag) is { Implicit: false }) flag.Set(options, parsed.GetValue(flag));
        return options;
    }
}

/// <summary>Reads what commands need from a parsed command line.</summary>
internal static class ParseResultExtensions
{
    /// <summary>Returns the word after an option, whether it is one of those that the option takes or not; null: there is none.</summary>
    public static string? WordAfter(this SymbolResult result, Option<string> option) =>
        result.GetResult(option) is { Tokens: [var word, ..] } ? word.Value : null;

    /// <summary>Returns the names from the root to a command.</summary>
    public static IEnumerable<string> PathOfNames(this CommandResult result) =>
        result.Parent is CommandResult parent ? [.. parent.PathOfNames(), result.Command.Name] : ["nlft"];
}
