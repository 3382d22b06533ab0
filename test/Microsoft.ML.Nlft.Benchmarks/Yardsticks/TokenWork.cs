using System.Globalization;
using Microsoft.ML.Nlft.Engines.Managed;

namespace Microsoft.ML.Nlft.Benchmarks.Yardsticks;

/// <summary>
/// The least operations and bytes of a token, by the shape alone: what its energy and its price follow. Weights are read once a pass, by all of its
/// tokens; keys and values by every sequence.
/// </summary>
internal static class TokenWork
{
    private static readonly (string Name, int Bits)[] s_types = [("F32", 32), ("BF16", 16), ("8 bits", 8), ("4 bits", 4)];

    public static void Run(int threads, string artifacts)
    {
        var shape = Shape.SmolLm2;
        Console.WriteLine($"\n## Operations and bytes of a token, {shape.Name}\n");
        Console.WriteLine($"| a token | operations | {string.Join(" | ", s_types.Select(type => $"bytes, {type.Name}"))} |");
        Console.WriteLine($"|---|---|{string.Concat(s_types.Select(_ => "---|"))}");
        foreach (var tokens in (int[])[512, 2048, 8192, 32768])
        {
            Write($"of a prompt of {Count(tokens)}", (shape.LayerFlops * tokens + shape.AttentionFlops(tokens) + shape.HeadFlops) / tokens,
                tokens, cache: 0);
        }
        foreach (var (sequences, position) in new[] { (1, 512), (1, 2048), (1, 8192), (1, 32768), (16, 512) })
        {
            var cache = new MemoryEstimate(shape.Configuration, 0, 1, position).Cache;
            var attention = shape.AttentionFlops(position) / position * 2; // all of the positions, where a prompt's token sees half on average
            Write($"decoded after {Count(position)}{(sequences == 1 ? "" : $", with {sequences} sequences")}",
                shape.LayerFlops + shape.HeadFlops + attention, sequences, cache);
        }
        Write("of a training step: question 160, judgment 120, response 140", shape.WrongStepFlops(160, 120, 140) / 300, 300, cache: 0);

        void Write(string what, double operations, int sharing, long cache)
        {
            var bytes = s_types.Select(type => Megabytes((double)shape.HeldBytes(type.Bits) / sharing + cache));
            Console.WriteLine($"| {what} | {(operations / 1e6).ToString("0", CultureInfo.InvariantCulture)} million | {string.Join(" | ", bytes)} |");
        }
    }

    private static string Count(int tokens) => tokens.ToString("N0", CultureInfo.InvariantCulture);

    private static string Megabytes(double bytes) => (bytes / 1e6).ToString(bytes < 1e7 ? "0.00" : "0", CultureInfo.InvariantCulture) + " MB";
}
