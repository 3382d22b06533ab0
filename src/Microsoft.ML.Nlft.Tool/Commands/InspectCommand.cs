using System.CommandLine;
using System.Globalization;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Models;
using Microsoft.ML.Nlft.Tokenization;
using Microsoft.ML.Nlft.Tool.Inspection;
using Microsoft.ML.Nlft.Tool.Options;
using Spectre.Console;

namespace Microsoft.ML.Nlft.Tool.Commands;

/// <summary>nlft inspect: what a model folder holds, what it will need, and how its prompts look.</summary>
internal sealed class InspectCommand : ToolCommand
{
    private static readonly TrainingExample s_sample = new()
    {
        Question = "What is 2 + 3?",
        Response = "2 + 3 = 6",
        Judgment = "2 + 3 is 5, not 6.",
        Answer = "5",
    };

    private readonly Option<string> _model = new("--model", "-m") { Description = "Folder of the model in Hugging Face layout.", HelpName = "FOLDER", Required = true };
    private readonly Option<int> _rows = new("--rows") { Description = "Rows that go through the engine together, for the memory estimate. Default 4.", HelpName = "N", DefaultValueFactory = _ => 4 };
    private readonly Option<int> _tokens = new("--tokens") { Description = "Tokens of prompt and response of a row, for the memory estimate. Default 512.", HelpName = "N", DefaultValueFactory = _ => 512 };

    public InspectCommand(ToolConsole console) : base(console, "inspect", "Shows a model folder: architecture, sizes, memory by option, and its prompts in the three contexts.",
        nameof(ToolOptions.Lora), nameof(ToolOptions.Prompts))
    {
        Add(_model);
        foreach (var option in (Option<int>[])[_rows, _tokens])
        {
            option.Validators.Add(result =>
            {
                if (result.Tokens is [var token] && int.TryParse(token.Value, out var number) && number < 1) result.AddError($"{option.Name}: found \"{token.Value}\"; expected 1 or more.");
            });
            Add(option);
        }
        AddGeneratedFlags();
    }

    protected override Task<int> RunAsync(ParseResult parsed, ToolOptions options, CancellationToken cancellationToken)
    {
        using var folder = ModelFolder.Open(Console.PathOf(parsed.GetValue(_model)!));
        var tensors = ModelLayout.Weights(folder.Configuration).Select(weight => folder.Tensor(weight.Name, weight.Shape)).ToList();
        Console.Out.WriteLine(folder.Path);
        Console.Out.WriteLine();
        ShowArchitecture(folder, tensors);
        ShowMemory(folder, tensors, options.Lora, parsed.GetValue(_rows), parsed.GetValue(_tokens));
        ShowPrompts(folder, options.Prompts);
        return Task.FromResult(ExitCode.Success);
    }

    private void ShowArchitecture(ModelFolder folder, List<TensorData> tensors)
    {
        var c = folder.Configuration;
        Console.Out.WriteLine("Architecture");
        var table = Plain("", "");
        table.AddRow("model_type", c.ModelType);
        table.AddRow("parameters", Number(tensors.Sum(Elements)));
        table.AddRow("layers", $"{c.LayerCount}");
        table.AddRow("hidden size, intermediate size", $"{c.HiddenSize}, {c.IntermediateSize}");
        table.AddRow("heads, key/value heads, head size", $"{c.HeadCount}, {c.KeyValueHeadCount}, {c.HeadSize}");
        table.AddRow("vocabulary", $"{Number(c.VocabularySize)}{(c.TieWordEmbeddings ? ", output tied to the embedding" : "")}");
        table.AddRow("positions", Number(c.MaximumPositions));
        table.AddRow("rotary embedding", string.Create(CultureInfo.InvariantCulture, $"{c.Rope.Type}, theta {c.Rope.Theta}"));
        if (c.SlidingWindows.Any(window => window > 0)) table.AddRow("sliding window", $"{c.SlidingWindows.Max()} in {c.SlidingWindows.Count(window => window > 0)} layers");
        table.AddRow("end-of-sequence ids", string.Join(", ", folder.EndOfSequenceIds));
        foreach (var type in tensors.GroupBy(tensor => tensor.Type).OrderByDescending(group => group.Sum(tensor => (long)tensor.Bytes.Length)))
            table.AddRow($"weights in {type.Key}", $"{type.Count()} tensors, {Size(type.Sum(tensor => (long)tensor.Bytes.Length))}");
        if (folder.TensorNames.Count > tensors.Count) table.AddRow("tensors that are not used", $"{folder.TensorNames.Count - tensors.Count}");
        Console.Write(table);
        Console.Out.WriteLine();
    }

    private void ShowMemory(ModelFolder folder, List<TensorData> tensors, LoraConfiguration lora, int rows, int tokens)
    {
        var held = tensors.Sum(tensor => tensor.Shape.Length > 1 && tensor.Type != TensorType.F64 ? tensor.Bytes.Length : 4 * Elements(tensor));
        var estimate = new MemoryEstimate(folder.Configuration, held, rows, Math.Min(tokens, folder.Configuration.MaximumPositions));
        var trained = MemoryEstimate.AdapterParameters(lora, folder.Configuration);
        Console.Out.WriteLine($"Memory on the managed engine, {rows} rows of {Math.Min(tokens, folder.Configuration.MaximumPositions)} tokens together");
        var table = Plain("", "weights", "cache", "trained", "activations", "sum");
        Row("generate, evaluate, chat", estimate.Weights, estimate.Cache, 0, 0);
        Row($"train, rank {lora.Rank}: {Number(trained)} parameters", estimate.Weights, 0, MemoryEstimate.Trained(trained), estimate.Activations(recompute: false));
        Row("train --recompute-activations", estimate.Weights, 0, MemoryEstimate.Trained(trained), estimate.Activations(recompute: true));
        Row("train --weights all", 0, 0, MemoryEstimate.Trained(estimate.Parameters), estimate.Activations(recompute: false));
        Console.Write(table);
        foreach (var formula in MemoryEstimate.Formulas) Console.Out.WriteLine($"  {formula}");
        Console.Out.WriteLine();

        void Row(string name, params long[] parts) => table.AddRow([name, .. parts.Append(parts.Sum()).Select(part => part == 0 ? "-" : Size(part))]);
    }

    private void ShowPrompts(ModelFolder folder, PromptOptions wording)
    {
        Console.Out.WriteLine($"Prompts ({(ChatTemplate.Load(folder.Path) is null ? "plain: the folder has no chat template" : "the folder's chat template")})");
        var tokenizer = HuggingFaceTokenizer.Load(folder.Path);
        var prompts = new PromptEncoder(tokenizer, ChatTemplate.Load(folder.Path), wording, folder.EndOfSequenceIds);
        var example = prompts.Encode(s_sample);
        foreach (var context in (PromptContexts[])[PromptContexts.Base, PromptContexts.Judge, PromptContexts.Standard])
        {
            var ids = example.Prompt(context).Span;
            Console.Out.WriteLine();
            Console.Out.WriteLine($"  {context.ToString().ToLowerInvariant()}, {ids.Length} tokens:");
            foreach (var line in tokenizer.Decode(ids, skipSpecialTokens: false).Split('\n')) Console.Out.WriteLine($"    {line}".TrimEnd());
        }
        Console.Out.WriteLine();
        Console.Out.WriteLine($"  response, {example.Response.Length} tokens: {tokenizer.Decode(example.Response.Span, skipSpecialTokens: false)}");
        Console.Out.WriteLine($"  an answer ends at: {string.Join(", ", prompts.StopIds.Select(id => $"{tokenizer.IdToToken(id)} ({id})"))}");
    }

    private static Table Plain(params string[] columns)
    {
        var table = new Table { Border = TableBorder.None, ShowHeaders = columns.Any(column => column.Length > 0) };
        for (var i = 0; i < columns.Length; i++)
            table.AddColumn(new TableColumn(Markup.Escape(columns[i]))
            {
                NoWrap = true,
                Padding = new Padding(0, 0, 2, 0),
                Alignment = i > 0 && columns.Length > 2 ? Justify.Right : Justify.Left,
            });
        return table;
    }

    private static long Elements(TensorData tensor) => tensor.Shape.Aggregate(1L, (product, size) => product * size);

    private static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>Bytes in binary units.</summary>
    internal static string Size(long bytes)
    {
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB"];
        var (value, unit) = ((double)bytes, 0);
        for (; value >= 1024 && unit < units.Length - 1; unit++) value /= 1024;
        return string.Create(CultureInfo.InvariantCulture, $"{value.ToString(unit == 0 ? "0" : "0.0", CultureInfo.InvariantCulture)} {units[unit]}");
    }
}
