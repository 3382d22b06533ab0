using System.CommandLine;

namespace Microsoft.ML.Nlft.Gpu;

/// <summary>The command line of the program: one option for each property of a <see cref="Workload"/>.</summary>
internal sealed class WorkloadCommand : RootCommand
{
    private static readonly Workload s_defaults = new();

    private readonly Option<string> _shape = new("--shape") { Description = "Shape of the model.", DefaultValueFactory = _ => s_defaults.Shape };
    private readonly Option<string> _device = new("--device") { Description = "cuda, cuda:N or cpu.", DefaultValueFactory = _ => s_defaults.Device };
    private readonly Option<string> _folder = new("--folder") { Description = "Where the model is written.", DefaultValueFactory = _ =>
        s_defaults.Folder };
    private readonly Option<string> _modes = new("--modes")
    {
        Description = "What to measure, separated by commas.",
        DefaultValueFactory = _ => string.Join(',', s_defaults.Modes),
    };
    private readonly Option<int> _steps = Number("--steps", "Steps to time, 1 or more.", s_defaults.Steps);
    private readonly Option<int> _threads = Number("--threads", "CPU threads of every mode. Default: each mode's own.", s_defaults.Threads);
    private readonly Option<string> _python = new("--python") { Description = "A Python interpreter with torch.", DefaultValueFactory = _ =>
        s_defaults.Python };
    private readonly Option<int> _rows = Number("--rows", "Rows of a step, 1 or more.", s_defaults.Rows);
    private readonly Option<int> _prompt = Number("--prompt", "Tokens of a prompt, 1 or more.", s_defaults.Prompt);
    private readonly Option<int> _extra = Number("--extra", "Tokens of the feedback, 1 or more.", s_defaults.Extra);
    private readonly Option<int> _response = Number("--response", "Tokens of a response, 1 or more.", s_defaults.Response);
    private readonly Option<string?> _only = new("--only") { Description = "Measures one mode in this process.", Hidden = true };

    /// <summary>Creates the command line.</summary>
    /// <param name="run">Measures the workload; returns the exit code.</param>
    public WorkloadCommand(Func<Workload, int> run)
        : base("Measures a step of natural language fine-tuning on a model with random weights, beside PyTorch.")
    {
        _shape.AcceptOnlyFromAmong([.. Workload.ShapeNames]);
        foreach (var option in (Option[])[_shape, _device, _folder, _modes, _steps, _threads, _python, _rows, _prompt, _extra, _response, _only])
            Options.Add(option);
        SetAction(parsed => run(Read(parsed)));
    }

    private Workload Read(ParseResult parsed) => new()
    {
        Shape = parsed.GetValue(_shape)!,
        Device = parsed.GetValue(_device)!,
        Folder = parsed.GetValue(_folder)!,
        Modes = parsed.GetValue(_modes)!.Split(','),
        Steps = parsed.GetValue(_steps),
        Threads = parsed.GetValue(_threads),
        Python = parsed.GetValue(_python)!,
        Rows = parsed.GetValue(_rows),
        Prompt = parsed.GetValue(_prompt),
        Extra = parsed.GetValue(_extra),
        Response = parsed.GetValue(_response),
        Only = parsed.GetValue(_only),
    };

    private static Option<int> Number(string name, string description, int otherwise)
    {
        var option = new Option<int>(name) { Description = description, HelpName = "N", DefaultValueFactory = _ => otherwise };
        option.Validators.Add(result =>
        {
            if (result.Tokens is [var token] && int.TryParse(token.Value, out var number) && number < 1)
                result.AddError($"{name}: found \"{token.Value}\"; expected a whole number above 0.");
        });
        return option;
    }
}
