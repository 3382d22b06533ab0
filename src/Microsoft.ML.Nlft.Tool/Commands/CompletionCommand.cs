using System.CommandLine;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Commands;

/// <summary>nlft completion: prints a script that lets a shell complete command lines by calling the tool.</summary>
internal sealed class CompletionCommand : ToolCommand
{
    private const string Bash = """
        _nlft_complete() {
            local IFS=$'\n'
            COMPREPLY=($(compgen -W "$(nlft "[suggest:${COMP_POINT}]" "${COMP_LINE}" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
            [ ${#COMPREPLY[@]} -gt 0 ] || COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
        }
        complete -F _nlft_complete nlft
        """;

    private const string Zsh = """
        _nlft() {
            local suggestions=("${(@f)$(nlft "[suggest:${CURSOR}]" "${BUFFER}" 2>/dev/null)}")
            if [[ -n "${suggestions[1]}" ]]; then compadd -a suggestions; else _files; fi
        }
        compdef _nlft nlft
        """;

    private const string Fish = """
        function __nlft_complete
            set --local line (commandline --cut-at-cursor)
            nlft "[suggest:"(string length -- "$line")"]" "$line" 2>/dev/null
        end
        complete --command nlft --arguments '(__nlft_complete)'
        """;

    private const string PowerShell = """
        Register-ArgumentCompleter -Native -CommandName nlft -ScriptBlock {
            param($word, $line, $position)
            nlft "[suggest:$position]" "$line" | Where-Object { $_ -like "$word*" } | ForEach-Object {
                [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
            }
        }
        """;

    private readonly Argument<string> _shell = new("shell") { Description = "bash, zsh, fish or pwsh." };

    public CompletionCommand(ToolConsole console)
        : base(console, "completion", "Prints a script that lets a shell complete nlft's commands and options.")
    {
        _shell.AcceptOnlyFromAmong("bash", "zsh", "fish", "pwsh");
        Add(_shell);
    }

    protected override Task<int> RunAsync(ParseResult parsed, ToolOptions options, CancellationToken cancellationToken)
    {
        Console.Out.WriteLine(parsed.GetValue(_shell) switch { "bash" => Bash, "zsh" => Zsh, "fish" => Fish, _ => PowerShell });
        return Task.FromResult(ExitCode.Success);
    }
}
