using System.CommandLine;
using System.Globalization;
using Microsoft.ML.Nlft.ChatTemplates;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tokenization;
using Microsoft.ML.Nlft.Tool.Data;
using Microsoft.ML.Nlft.Tool.Inspection;
using Microsoft.ML.Nlft.Tool.Options;
using Microsoft.ML.Nlft.TorchSharp;
using Spectre.Console;

namespace Microsoft.ML.Nlft.Tool.Commands;

/// <summary>
/// nlft inspect: shows what a model folder holds, how much memory it needs and what its prompts look like; compares several models.
/// </summary>
internal sealed class InspectCommand : ToolCommand
{
    private static readonly TrainingExample s_sample = new()
    {
        Question = "What is 2 + 3?",
        Response = "2 + 3 = 6",
        Judgment = "2 + 3 is 5, not 6.",
        Answer = "5",
    };

    private readonly Option<string[]> _model = new("--model", "-m")
    {
        Description = "Folder of a model in Hugging Face layout or of a saved model, a GGUF file, or a name that 'nlft models' lists; for sizes, "
            + "config.json is enough. Several are compared.",
        HelpName = "FOLDER...",
        Required = true,
        AllowMultipleArgumentsPerToken = true,
    };
    private readonly LocatorArgument _locator;
    private readonly JsonArgument _json;
    private readonly Option<int> _rows = new("--rows")
    {
        Description = "Rows per micro-batch, for the memory estimate. Default 4.",
        HelpName = "N",
        DefaultValueFactory = _ => 4,
    };
    private readonly Option<int> _tokens = new("--tokens")
    {
        Description = "Tokens of prompt and response per row, for the memory estimate. Default 512.",
        HelpName = "N",
        DefaultValueFactory = _ => 512,
    };

    public InspectCommand(ToolConsole console)
        : base(console, "inspect", "Shows a model folder: architecture, sizes, memory by engine and option, and its prompts in the three contexts.",
        nameof(ToolOptions.Lora), nameof(ToolOptions.Prompts))
    {
        Add(_model);
        _locator = new LocatorArgument(console, this);
        foreach (var option in (Option<int>[])[_rows, _tokens])
        {
            option.Validators.Add(result =>
            {
                if (result.Tokens is [var token] && int.TryParse(token.Value, out var number) && number < 1)
                    result.AddError($"{option.Name}: found \"{token.Value}\"; expected 1 or more.");
            });
            Add(option);
        }
        _json = new JsonArgument(console, this);
        AddGeneratedFlags();
    }

    protected override Task<int> RunAsync(ParseResult parsed, ToolOptions options, CancellationToken cancellationToken)
    {
        var (rows, tokens) = (parsed.GetValue(_rows), parsed.GetValue(_tokens));
        string[] folders = [.. parsed.GetValue(_model)!.Select(model => _locator.Find(parsed, model))];
        if (_json.Given(parsed))
        {
            foreach (var folder in folders) ShowJson(ModelFacts.Read(BaseOf(folder, parsed)), options.Lora, rows, tokens);
            return Task.FromResult(ExitCode.Success);
        }
        if (folders.Length > 1)
        {
            Compare([.. folders.Select(folder => ModelFacts.Read(BaseOf(folder, parsed)))], options.Lora, rows, tokens);
            return Task.FromResult(ExitCode.Success);
        }

        var model = ModelFacts.Read(BaseOf(folders[0], parsed));
        Console.Out.WriteLine(model.Folder);
        if (LocalModelDescription.IsIn(folders[0])) Console.Out.WriteLine($"  the base model of {folders[0]}");
        Console.Out.WriteLine();
        ShowArchitecture(model);
        ShowMemory(model, options.Lora, rows, Math.Min(tokens, model.Configuration.MaximumPositions));
        ShowPrompts(model, options.Prompts);
        return Task.FromResult(ExitCode.Success);
    }

    private string BaseOf(string folder, ParseResult parsed) => LocalModelDescription.IsIn(folder)
        ? LocalModelDescription.Load(folder).FindBaseModel(folder, baseModel: null, _locator.Of(parsed)) : folder;

    private void ShowJson(ModelFacts model, LoraConfiguration lora, int rows, int tokens)
    {
        var c = model.Configuration;
        var memory = MemoryRow.Of(model, lora, rows, Math.Min(tokens, c.MaximumPositions));
        _json.Write(("name", ModelLocator.NameOf(model.Folder)), ("folder", model.Folder), ("modelType", c.ModelType),
            ("parameters", model.Parameters), ("layers", c.LayerCount), ("hiddenSize", c.HiddenSize), ("intermediateSize", c.IntermediateSize),
            ("heads", c.HeadCount), ("keyValueHeads", c.KeyValueHeadCount), ("headSize", c.HeadSize), ("vocabulary", c.VocabularySize),
            ("positions", c.MaximumPositions), ("endOfSequenceIds", model.EndOfSequenceIds),
            ("weightBytes", model.Tensors.Sum(tensor => tensor.HeldBytes)), ("hasWeights", model.HasWeights), ("rows", rows), ("tokens", tokens),
            ("memory", memory.Select(row => JsonLine.Object(("engine", row.Engine), ("use", row.Use), ("weights", row.Weights),
                ("cache", row.Cache), ("trained", row.Trained), ("activations", row.Activations), ("sum", row.Sum)))));
    }

    private void ShowArchitecture(ModelFacts model)
    {
        var c = model.Configuration;
        Console.Out.WriteLine("Architecture");
        var table = Plain("", "");
        table.AddRow("model_type", c.ModelType);
        table.AddRow("parameters", Number(model.Parameters));
        table.AddRow("layers", $"{c.LayerCount}");
        table.AddRow("hidden size, intermediate size", $"{c.HiddenSize}, {c.IntermediateSize}");
        if (c.Experts is { } experts)
        {
            table.AddRow("experts, per token, intermediate size", $"{experts.Count}, {experts.PerToken}, {experts.IntermediateSize}"
                + (experts.Layers is { } layers ? $" in {layers.Count(hasExperts => hasExperts)} layers" : ""));
        }
        table.AddRow("heads, key/value heads, head size", $"{c.HeadCount}, {c.KeyValueHeadCount}, {c.HeadSize}");
        table.AddRow("vocabulary", $"{Number(c.VocabularySize)}{(c.TieWordEmbeddings ? ", output tied to the embedding" : "")}");
        table.AddRow("positions", Number(c.MaximumPositions));
        table.AddRow("rotary embedding", string.Create(CultureInfo.InvariantCulture, $"{c.Rope.Type}, theta {c.Rope.Theta}"));
        if (c.SlidingWindows.Any(window => window > 0))
            table.AddRow("sliding window", $"{c.SlidingWindows.Max()} in {c.SlidingWindows.Count(window => window > 0)} layers");
        table.AddRow("end-of-sequence ids", string.Join(", ", model.EndOfSequenceIds));
        foreach (var type in model.Tensors.GroupBy(tensor => tensor.FileType).OrderByDescending(group => group.Sum(tensor => tensor.FileBytes)))
        {
            table.AddRow($"weights in {type.Key}", $"{type.Count()} tensors, {Size(type.Sum(tensor => tensor.FileBytes))}"
                + (model.HasWeights ? "" : ", from config.json: there is no weight file")
                + (type.First().Type.ToString() == type.Key ? "" : $", in memory {Size(type.Sum(tensor => tensor.HeldBytes))}"));
        }
        if (model.Unused > 0) table.AddRow("tensors that are not used", $"{model.Unused}");
        Console.Write(table);
        Console.Out.WriteLine();
    }

    private void ShowMemory(ModelFacts model, LoraConfiguration lora, int rows, int tokens)
    {
        var trained = MemoryEstimate.AdapterParameters(lora, model.Configuration);
        Console.Out.WriteLine($"Memory, {rows} rows of {tokens} tokens together; train, rank {lora.Rank}: {Number(trained)} parameters");
        var table = Plain("engine", "use", "weights", "cache", "trained", "activations", "sum");
        foreach (var row in MemoryRow.Of(model, lora, rows, tokens))
        {
            table.AddRow([row.Engine, row.Use,
                .. new[] { row.Weights, row.Cache, row.Trained, row.Activations, row.Sum }.Select(part => part == 0 ? "-" : Size(part))]);
        }
        Console.Write(table);
        Console.Out.WriteLine("  managed, on the CPU:");
        foreach (var formula in MemoryEstimate.Formulas) Console.Out.WriteLine($"    {formula}");
        Console.Out.WriteLine("  torchsharp, on a GPU:");
        foreach (var formula in TorchSharpMemoryEstimate.Formulas) Console.Out.WriteLine($"    {formula}");
        Console.Out.WriteLine();
    }

    /// <summary>Compares models: one row each, with the sums only.</summary>
    private void Compare(IReadOnlyList<ModelFacts> models, LoraConfiguration lora, int rows, int tokens)
    {
        var memory = models.Select(model => MemoryRow.Of(model, lora, rows, Math.Min(tokens, model.Configuration.MaximumPositions))).ToList();
        Console.Out.WriteLine($"Memory, {rows} rows of {tokens} tokens together; train: LoRA of rank {lora.Rank} on "
            + $"{lora.TargetPattern ?? string.Join(", ", lora.TargetModules)}");
        foreach (var engine in memory[0].Select(row => row.Engine).Distinct())
        {
            Console.Out.WriteLine();
            Console.Out.WriteLine(engine);
            var uses = memory[0].Where(row => row.Engine == engine).Select(row => row.Use).ToArray();
            var table = Plain(["model", "parameters", .. uses.Select(use => use.Replace("train --", "--").Replace("train, ", ""))]);
            foreach (var (model, own) in models.Zip(memory))
            {
                table.AddRow([Markup.Escape(Path.GetFileName(model.Folder)), Number(model.Parameters),
                    .. uses.Select(use => Size(own.Single(row => row.Engine == engine && row.Use == use).Sum))]);
            }
            Console.Write(table);
        }
    }

    private void ShowPrompts(ModelFacts model, PromptOptions wording)
    {
        var isFile = File.Exists(model.Folder);
        if (!isFile && !File.Exists(Path.Combine(model.Folder, "tokenizer.json")))
        {
            Console.Out.WriteLine("Prompts: not shown, there is no tokenizer.json");
            return;
        }
        var (template, place) = (ChatTemplate.Load(model.Folder), isFile ? "file" : "folder");
        Console.Out.WriteLine($"Prompts ({(template is null ? $"plain: the {place} has no chat template" : $"the {place}'s chat template")})");
        var tokenizer = HuggingFaceTokenizer.Load(model.Folder);
        var prompts = new PromptEncoder(tokenizer, template, wording, model.EndOfSequenceIds);
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

    /// <summary>Creates a table without borders; numbers are right-aligned.</summary>
    private static Table Plain(params string[] columns)
    {
        var table = new Table { Border = TableBorder.None, ShowHeaders = columns.Any(column => column.Length > 0) };
        for (var i = 0; i < columns.Length; i++)
        {
            table.AddColumn(new TableColumn(Markup.Escape(columns[i]))
            {
                NoWrap = true,
                Padding = new Padding(0, 0, 2, 0),
                Alignment = i > 0 && columns.Length > 2 && columns[i] != "use" ? Justify.Right : Justify.Left,
            });
        }
        return table;
    }

    private static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>Formats bytes in binary units.</summary>
    internal static string Size(long bytes) => MemoryEstimate.Text(bytes);
}
