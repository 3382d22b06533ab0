using System.CommandLine;
using System.CommandLine.Parsing;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Export;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tool.Options;

namespace Microsoft.ML.Nlft.Tool.Commands;

/// <summary>nlft export: writes rows in another format, or a model as a GGUF file.</summary>
internal sealed class ExportCommand : ToolCommand
{
    private readonly DataArguments _data;
    private readonly ModelArguments _model;
    private readonly Option<RowFormat?> _format = new("--format")
    {
        Description = "jsonlines, csv, tsv, nlft, cut, sft (prompt and response), sftgold (prompt and gold answer) or reft. "
            + "Default: by the extension of --output.",
        HelpName = "FORMAT",
    };
    private readonly Option<string> _output = new("--output", "-o") { Description = "The file for the rows.", HelpName = "FILE" };
    private readonly Option<string> _gguf = new("--gguf")
    {
        Description = "Write --model, with --adapter merged into it, as one GGUF file for llama.cpp, LLamaSharp, Ollama or LM Studio, and a "
            + "Modelfile for Ollama beside it.",
        HelpName = "FILE",
    };
    private readonly Option<string> _ggufAdapter = new("--gguf-adapter")
    {
        Description = "Write --adapter alone as a GGUF file, which llama.cpp applies to a GGUF file of its base model.",
        HelpName = "FILE",
    };
    private readonly Option<string?> _type = new("--type")
    {
        Description = "Type of the weights of --gguf: f32, f16, bf16, q8_0, q6_k, q4_k or q4_0. Default: f16.",
        HelpName = "TYPE",
    };
    private readonly Option<bool> _overwrite = new("--overwrite") { Description = "Replace the GGUF file if it exists." };

    public ExportCommand(ToolConsole console) : base(console, "export",
        "Writes rows in another format, for NLFT, supervised fine-tuning or ReFT in other programs; or a model as a GGUF file.",
        nameof(ToolOptions.Columns))
    {
        _data = new DataArguments(console, this, required: false);
        Add(_format);
        Add(_output);
        _model = new ModelArguments(console, this, required: false);
        Add(_gguf);
        Add(_ggufAdapter);
        Add(_type);
        Add(_overwrite);
        AddGeneratedFlags();
        _type.AcceptOnlyFromAmong("f32", "f16", "bf16", "q8_0", "q6_k", "q4_k", "q4_0");
        Validators.Add(Check);
    }

    protected override Task<int> RunAsync(ParseResult parsed, ToolOptions options, CancellationToken cancellationToken)
    {
        if (parsed.GetValue(_gguf) is { } gguf) WriteModel(parsed, Console.PathOf(gguf), cancellationToken);
        if (parsed.GetValue(_ggufAdapter) is { } adapter) WriteAdapter(parsed, Console.PathOf(adapter));
        if (parsed.GetValue(_output) is { } output) WriteRows(parsed, options, Console.PathOf(output));
        return Task.FromResult(ExitCode.Success);
    }

    /// <summary>Says which options are missing for what the others ask for.</summary>
    private void Check(CommandResult result)
    {
        var model = result.GetResult(_gguf) is not null || result.GetResult(_ggufAdapter) is not null;
        var rows = result.GetResult(_data.Data) is not null || result.GetResult(_output) is not null || result.GetResult(_format) is not null;
        if (rows || !model)
        {
            if (result.GetResult(_data.Data) is null) result.AddError("Option '--data' is required.");
            if (result.GetResult(_output) is null) result.AddError("Option '--output' is required.");
        }
        if (model && !_model.Given(result)) result.AddError("a model is needed: give --model FOLDER or --adapter FOLDER.");
    }

    private void WriteModel(ParseResult parsed, string path, CancellationToken cancellationToken)
    {
        var (adapter, folder) = _model.Parts(parsed);
        using var model = ModelFolder.Open(folder);
        var type = Enum.Parse<GgufType>(parsed.GetValue(_type) ?? nameof(GgufType.F16), ignoreCase: true);
        GgufExport.Write(model, adapter, path, new() { Type = type, Overwrite = parsed.GetValue(_overwrite) }, cancellationToken);
        var merged = adapter is null ? "" : $"{adapter.Configuration.Resolve(model.Configuration).Count} layers merged, ";
        Console.Out.WriteLine($"{merged}model of type {type} in {path}");
    }

    private void WriteAdapter(ParseResult parsed, string path)
    {
        var (adapter, folder) = _model.Adapter(parsed);
        using var model = ModelFolder.Open(folder);
        GgufExport.WriteAdapter(adapter, model, path, new() { Overwrite = parsed.GetValue(_overwrite) });
        Console.Out.WriteLine($"adapter of {adapter.Configuration.Resolve(model.Configuration).Count} layers in {path}");
    }

    private void WriteRows(ParseResult parsed, ToolOptions options, string output)
    {
        _data.RequireOutput(parsed, output);
        var rows = _data.Read(parsed, options);
        DataFile.Write(output, rows, parsed.GetValue(_format));
        Console.Error.WriteLine($"{rows.Count} rows in {output}");
    }
}
