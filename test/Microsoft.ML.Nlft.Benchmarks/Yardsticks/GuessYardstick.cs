using System.Diagnostics;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.Generation;

namespace Microsoft.ML.Nlft.Benchmarks.Yardsticks;

/// <summary>
/// Answers of SmolLM2-135M-Instruct with guessed tokens, <see cref="GenerationOptions.PromptLookupTokens"/>, beside the same answers without: where
/// they quote their prompt, and where they do not.
/// </summary>
internal static class GuessYardstick
{
    private const int Rounds = 5, Most = 8;

    private const string Text = "The lighthouse at Cape Arago was built in 1934 and stands on a small island connected to the mainland by a bridge. "
        + "Its light was first lit on the evening of June 12, and it could be seen from sixteen miles away. The keeper, Thomas Hale, lived there "
        + "with his wife Martha and their three children until 1951.";

    private static readonly (string What, string Question, double Target)[] s_questions =
    [
        ("a text again", $"Repeat this text word by word:\n{Text}", 1.3),
        ("its summary", $"Summarize this text:\n{Text}", 1.3),
        ("a list from it", $"Extract the people, dates and places of this text as a list:\n{Text}", 1.3),
        ("a story", "Write a short story about a dog who learns to swim.", 0.9),
        ("a sum", "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. How many clips did she sell?", 0.9),
    ];

    public static void Run(int threads, string artifacts)
    {
        var path = Path.Combine(Machine.SharedData, "models", "smollm2-135m-instruct", "SmolLM2-135M-Instruct.Q4_1.gguf");
        if (!File.Exists(path))
        {
            Console.WriteLine($"skipped: there is no {path}");
            return;
        }
        var table = new MeasurementTable($"Guesses of at most {Most} tokens, weights of 4 bits", artifacts);
        using var model = LocalModel.Load(path, new() { Engine = new ManagedEngine(threads) });
        foreach (var (what, question, target) in s_questions)
        {
            double seconds = double.PositiveInfinity, baseline = double.PositiveInfinity;
            GeneratedText? answer = null;
            for (var round = 0; round <= Rounds; round++) // the first one warms up
            {
                var (without, plain) = Answer(0);
                var (with, guessed) = Answer(Most);
                if (guessed.Text != plain.Text) throw new InvalidDataException($"{what}: the answer with guesses is another one.");
                if (round > 0) (seconds, baseline, answer) = (Math.Min(seconds, with), Math.Min(baseline, without), guessed);
            }
            table.Add($"{what}, {answer!.GuessedTokens} of {answer.Tokens.Count} tokens guessed", Speed(seconds), $"one by one {Speed(baseline)}",
                baseline / seconds, FormattableString.Invariant($"{target:0.0}"), baseline / seconds >= target);

            string Speed(double time) => FormattableString.Invariant($"{answer.Tokens.Count / time:0} tokens/s");

            (double Seconds, GeneratedText Answer) Answer(int most)
            {
                var start = Stopwatch.GetTimestamp();
                var text = model.Answer([question], new() { MaximumNewTokens = 160, PromptLookupTokens = most })[0];
                return (Stopwatch.GetElapsedTime(start).TotalSeconds, text);
            }
        }
        table.Save();
    }
}
