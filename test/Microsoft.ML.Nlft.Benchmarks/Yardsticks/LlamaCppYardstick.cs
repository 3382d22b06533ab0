using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.Export;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Benchmarks.Yardsticks;

/// <summary>Prompts and answers from one GGUF file with random weights, in our engine and in llama.cpp, by turns.</summary>
internal static class LlamaCppYardstick
{
    /// <summary>What runs: so many sequences, the tokens of each prompt, the tokens that follow, how often; the lines to print of it.</summary>
    private sealed record Work(int Sequences, int Prompt, int Tokens, int Rounds, bool ShowsPrompt);

    private static readonly Work[] s_short = [new(1, 512, 64, 3, true), new(16, 16, 64, 3, false)];
    private static readonly Work[] s_long = [new(1, 2048, 32, 2, true), new(1, 8192, 32, 1, true)];

    private static readonly Work[] s_longest = [new(1, 32768, 16, 1, true)];

    public static void Run(int threads, string artifacts) => Run("Prompts and answers beside llama.cpp", threads, artifacts,
        (GgufType.F32, s_short), (GgufType.BF16, [.. s_short, .. s_long]), (GgufType.Q8_0, s_short), (GgufType.Q4_0, [.. s_short, .. s_long]));

    /// <summary>A context of 32,768 positions, by its own name since it takes a quarter of an hour.</summary>
    public static void RunLongest(int threads, string artifacts) =>
        Run("32k positions beside llama.cpp", threads, artifacts, (GgufType.BF16, s_longest));

    private static void Run(string title, int threads, string artifacts, params (GgufType Type, Work[] Works)[] all)
    {
        var table = new MeasurementTable(title, artifacts);
        foreach (var (type, works) in all)
        {
            var path = File(artifacts, type);
            using var folder = ModelFolder.Open(path);
            using var model = new ManagedEngine(new ManagedEngineOptions { Threads = threads, PromptCacheMemory = 0 })
                .Load(new ModelLoadOptions { Folder = folder });
            foreach (var work in works)
            {
                if (!Compare(table, $"{Shape.SmolLm2.Name} {type}", model, path, work, threads)) return;
            }
        }
        table.Save();
    }

    private static bool Compare(MeasurementTable table, string name, ICausalLanguageModel model, string path, Work work, int threads)
    {
        using var rival = LlamaCpp.TryOpen(path, threads, work.Sequences, work.Prompt + work.Tokens);
        if (rival is null)
        {
            Console.WriteLine("skipped: llama.cpp does not load on this machine");
            return false;
        }
        int[][] prompts = [.. Enumerable.Range(0, work.Sequences).Select(Prompt)];
        (double Prompts, double Tokens) ours = (double.PositiveInfinity, double.PositiveInfinity), theirs = ours;
        for (var round = 0; round < work.Rounds; round++)
        {
            ours = Least(ours, Ours(model, prompts, work.Tokens));
            theirs = Least(theirs, rival.Measure(prompts, work.Tokens));
        }
        if (work.ShowsPrompt) Add($"prompt of {work.Prompt}", work.Sequences * work.Prompt, ours.Prompts, theirs.Prompts);
        Add(work.Sequences == 1 ? $"decoding after {work.Prompt}" : $"decoding, batch {work.Sequences}", work.Sequences * work.Tokens,
            ours.Tokens, theirs.Tokens);
        return true;

        int[] Prompt(int sequence) => [.. Enumerable.Range(0, work.Prompt).Select(i => 3 + sequence + i % 1000)];

        void Add(string what, int tokens, double seconds, double baseline) =>
            table.Add($"{name}, {what}", GenerationYardstick.Rate(tokens / seconds),
                $"llama.cpp {GenerationYardstick.Rate(tokens / baseline)}", baseline / seconds, "1", baseline >= seconds);
    }

    private static (double Prompts, double Tokens) Ours(ICausalLanguageModel model, int[][] prompts, int tokens)
    {
        var start = Stopwatch.GetTimestamp();
        using var session = model.StartDecoding(Array.ConvertAll(prompts, prompt => (ReadOnlyMemory<int>)prompt), tokens);
        var prompt = Stopwatch.GetElapsedTime(start).TotalSeconds;
        int[] next = [.. Enumerable.Range(5, prompts.Length)];
        start = Stopwatch.GetTimestamp();
        for (var i = 0; i < tokens; i++) session.Append(next);
        return (prompt, Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    private static (double Prompts, double Tokens) Least((double Prompts, double Tokens) a, (double Prompts, double Tokens) b) =>
        (Math.Min(a.Prompts, b.Prompts), Math.Min(a.Tokens, b.Tokens));

    /// <summary>A GGUF file of the shape, created on first use, with a vocabulary whose texts do not matter.</summary>
    public static string File(string artifacts, GgufType type)
    {
        var shape = Shape.SmolLm2 with { Name = "smollm2-135m-40k", Positions = 40960 };
        var source = shape.Folder(artifacts, TensorType.F32);
        var path = Path.Combine(artifacts, "models", $"{shape.Name}.{type}.gguf");
        if (System.IO.File.Exists(path)) return path;
        System.IO.File.WriteAllText(Path.Combine(source, "tokenizer.json"), JsonSerializer.Serialize(new
        {
            added_tokens = new[] { new { id = 0, content = "<end>", special = true } },
            pre_tokenizer = new { type = "ByteLevel", add_prefix_space = false, use_regex = true },
            decoder = new { type = "ByteLevel", add_prefix_space = false, use_regex = true },
            model = new
            {
                type = "BPE", merges = Array.Empty<string>(),
                vocab = Enumerable.Range(1, shape.Vocabulary - 1).ToDictionary(id => id.ToString(CultureInfo.InvariantCulture)),
            },
        }));
        System.IO.File.WriteAllText(Path.Combine(source, "tokenizer_config.json"), """{"eos_token": "<end>"}""");
        using var folder = ModelFolder.Open(source);
        GgufExport.Write(folder, null, path, new() { Type = type });
        return path;
    }
}
