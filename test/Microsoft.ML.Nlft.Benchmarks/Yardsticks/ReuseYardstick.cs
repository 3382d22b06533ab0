using System.Diagnostics;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Benchmarks.Yardsticks;

/// <summary>
/// Prompts that begin alike, with what they share computed once: a turn of a conversation, questions under one system prompt, samples of a question.
/// The baseline is every prompt as a whole; of the tokens that it computes and ours does not, half must show in the time. A turn also runs in
/// llama.cpp, which keeps its context.
/// </summary>
internal static class ReuseYardstick
{
    private const int Rounds = 3, History = 2048, Turn = 64, System = 512, Question = 32, Together = 16;

    public static void Run(int threads, string artifacts)
    {
        var table = new MeasurementTable("Reuse of common beginnings", artifacts);
        var path = LlamaCppYardstick.File(artifacts, GgufType.BF16);
        using var folder = ModelFolder.Open(path);
        using var keeping = Load(new() { Threads = threads, PromptCacheMemory = 1L << 30 });
        using var whole = Load(new() { Threads = threads, PromptCacheMemory = 0 });

        var seed = 0; // of each round: what earlier ones left is of no use to it
        var turn = Least(() =>
        {
            var conversation = Tokens(History + Turn, ++seed);
            Seconds(keeping, conversation[..History]);
            return Seconds(keeping, conversation);
        });
        Add($"a turn of {Turn} tokens after {History}", turn, Least(() => Seconds(whole, Tokens(History + Turn, 1))), History + Turn, Turn);
        using (var rival = LlamaCpp.TryOpen(path, threads, 1, History + Turn + 1))
        {
            if (rival is null)
            {
                Console.WriteLine("skipped: llama.cpp does not load on this machine");
            }
            else
            {
                var theirs = Least(() => rival.Measure([Tokens(History + Turn, 1)], 0, kept: History).Prompts);
                table.Add($"a turn of {Turn} tokens after {History}", Time(turn), $"llama.cpp {Time(theirs)}", theirs / turn, "1", theirs >= turn);
            }
        }
        int[][] questions = [.. Enumerable.Range(0, Together).Select(i => (int[])[.. Tokens(System, 2), .. Tokens(Question, 3 + i)])];
        Add($"{Together} questions of {Question} tokens under {System}", Least(() => Seconds(whole, questions)),
            Least(() => questions.Sum(question => Seconds(whole, question))), Together * (System + Question), System + Together * Question);
        int[][] samples = [.. Enumerable.Repeat(Tokens(System, 2), Together)];
        Add($"{Together} samples of a prompt of {System}", Least(() => Seconds(whole, samples)),
            Least(() => samples.Sum(sample => Seconds(whole, sample))), Together * System, System);
        table.Save();

        ICausalLanguageModel Load(ManagedEngineOptions options) => new ManagedEngine(options).Load(new ModelLoadOptions { Folder = folder });

        void Add(string what, double seconds, double baseline, int tokens, int computed)
        {
            var target = tokens / (2.0 * computed);
            table.Add(what, Time(seconds), $"each as a whole {Time(baseline)}", baseline / seconds,
                FormattableString.Invariant($"{target:0.0}, half of the tokens"), baseline / seconds >= target);
        }
    }

    /// <summary>Prompt tokens, other ones for each seed.</summary>
    private static int[] Tokens(int count, int seed) => [.. Enumerable.Range(0, count).Select(i => 3 + (seed * 131 + i * (seed + 2)) % 40000)];

    /// <summary>Returns the time to read prompts together.</summary>
    private static double Seconds(ICausalLanguageModel model, params int[][] prompts)
    {
        var start = Stopwatch.GetTimestamp();
        model.StartDecoding(Array.ConvertAll(prompts, tokens => (ReadOnlyMemory<int>)tokens), 1).Dispose();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static double Least(Func<double> seconds) => Enumerable.Range(0, Rounds).Min(_ => seconds());

    private static string Time(double seconds) => FormattableString.Invariant($"{seconds:0.000} s");
}
