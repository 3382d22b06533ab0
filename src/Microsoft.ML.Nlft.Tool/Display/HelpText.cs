using System.CommandLine;
using System.CommandLine.Invocation;
using Microsoft.ML.Nlft.Tool.Commands;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Display;

/// <summary>Prints --help: the flags of each option record under the heading of their section, with the record's documentation.</summary>
internal sealed class HelpText(ToolConsole console) : SynchronousCommandLineAction
{
    private const int Indent = 6, WidestLine = 110;

    public override bool ClearsParseErrors => true;

    public override int Invoke(ParseResult parseResult)
    {
        var command = parseResult.CommandResult.Command;
        var path = string.Join(' ', parseResult.CommandResult.PathOfNames());
        Paragraph(command.Description ?? "", 0);
        console.Out.WriteLine();
        console.Out.WriteLine($"Usage: {path}{Usage(command)}");
        if (command.Subcommands.Count > 0)
        {
            console.Out.WriteLine();
            console.Out.WriteLine("Commands:");
            foreach (var inner in command.Subcommands) Entry(inner.Name, inner.Description ?? "");
        }
        if (command.Arguments.Count > 0) Heading("Arguments");
        foreach (var argument in command.Arguments) Entry(argument.Name, argument.Description ?? "");
        Heading("Options");
        var options = command.Options.Concat(command.Parents.OfType<Command>().SelectMany(parent => parent.Options.Where(option => option.Recursive)))
            .Where(option => !option.Hidden).DistinctBy(option => option.Name).ToList();
        foreach (var option in options.Where(option => option is not OptionFlag)) Entry(Names(option), option.Description ?? "");
        foreach (var section in options.OfType<OptionFlag>().GroupBy(flag => flag.Property.Section.Title))
        {
            Heading($"{section.Key} (\"{section.First().Property.Path[0].Name}\" in an options file)");
            foreach (var flag in section) Entry(Names(flag), WithDefault(flag));
        }
        return ExitCode.Success;
    }

    private static string Usage(Command command) => command.Subcommands.Count > 0 ? " COMMAND [options]"
        : string.Concat(command.Arguments.Select(argument => $" {argument.Name.ToUpperInvariant()}"))
            + string.Concat(command.Options.Where(option => option.Required).Select(option => $" {option.Name} {option.HelpName}")) + " [options]";

    private static string Names(Option option) => string.Join(", ", option.Aliases.Append(option.Name).Where(IsUnixName).OrderBy(name => name.Length))
        + (option.HelpName is { } value ? $" {value}" : "") + (option.Required ? "  (required)" : "");

    /// <summary>Whether a name is written the Unix way: -h or --help, not /h or -?.</summary>
    private static bool IsUnixName(string name) => name.StartsWith('-') && name != "-?";

    /// <summary>Returns a flag's documentation, with the default added unless the text already names it.</summary>
    private static string WithDefault(OptionFlag flag) =>
        flag.Description!.Contains("Default", StringComparison.OrdinalIgnoreCase)
            ? flag.Description
            : $"{flag.Description} Default {flag.Property.DefaultText}.";

    private void Heading(string text)
    {
        console.Out.WriteLine();
        console.Out.WriteLine($"{text}:");
    }

    private void Entry(string names, string description)
    {
        console.Out.WriteLine($"  {names}");
        Paragraph(description, Indent);
    }

    private void Paragraph(string text, int indent)
    {
        var (line, width) = ("", Math.Clamp(console.Width - 1, 40, WidestLine) - indent);
        foreach (var word in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.Length > 0 && line.Length + 1 + word.Length > width)
            {
                console.Out.WriteLine(new string(' ', indent) + line);
                line = word;
            }
            else
            {
                line = line.Length == 0 ? word : $"{line} {word}";
            }
        }
        if (line.Length > 0) console.Out.WriteLine(new string(' ', indent) + line);
    }
}
