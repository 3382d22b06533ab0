using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Benchmarks.Yardsticks;

/// <summary>
/// Decoding: one sequence compared with the time that all threads need to read the weights once (the floor, since every token needs every weight),
/// and 16 sequences compared with one.
/// </summary>
internal static class GenerationYardstick
{
    private const int Prompt = 16, Tokens = 64;

    public static void Run(int threads, string artifacts)
    {
        var table = new MeasurementTable("Generation", artifacts);
        var bandwidth = Bandwidth(threads);
        var shape = Shape.SmolLm2;
        foreach (var (type, name, bits) in ((TensorType, string, int)[])
            [(TensorType.F32, "F32", 32), (TensorType.BF16, "BF16", 16), (TensorType.BF16, "8 bits", 8), (TensorType.BF16, "4 bits", 4)])
        {
            using var folder = ModelFolder.Open(shape.Folder(artifacts, type));
            var engine = new ManagedEngine(new ManagedEngineOptions
            {
                Threads = threads, Int8Weights = bits == 8, Int4Weights = bits == 4, PromptCacheMemory = 0,
            });
            using var model = engine.Load(new ModelLoadOptions { Folder = folder });
            double one = TokensPerSecond(model, 1), sixteen = TokensPerSecond(model, 16);
            var bound = bandwidth / shape.HeldBytes(bits);
            table.Add($"{shape.Name} {name}, batch 1", Rate(one), $"bound {Rate(bound)} at {bandwidth / 1e9:0.0} GB/s", one / bound,
                "0.8", one / bound >= 0.8);
            table.Add($"{shape.Name} {name}, batch 16", Rate(sixteen), $"batch 1 {Rate(one)}", sixteen / one, "6", sixteen / one >= 6);
        }
        table.Save();
    }

    private static double TokensPerSecond(ICausalLanguageModel model, int batch)
    {
        var best = 0.0;
        for (var round = 0; round < 3; round++)
        {
            ReadOnlyMemory<int>[] prompts = [.. Enumerable.Range(0, batch).Select(i => (ReadOnlyMemory<int>)Enumerable.Range(i, Prompt).ToArray())];
            using var session = model.StartDecoding(prompts, Tokens);
            int[] next = [.. Enumerable.Range(5, batch)];
            var start = Stopwatch.GetTimestamp();
            for (var i = 0; i < Tokens; i++) session.Append(next);
            best = Math.Max(best, batch * Tokens / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        return best;
    }

    /// <summary>Returns the bytes per second that all threads read from an array much larger than the caches.</summary>
    private static double Bandwidth(int threads)
    {
        const int Block = 1 << 18;
        var data = new float[256 << 20 >> 2];
        data.AsSpan().Fill(1); // written, because untouched pages all map to one page of zeros
        var sums = new float[data.Length / Block];
        var workers = new Workers(threads);
        Read();
        return data.Length * 4.0 / MeasurementTable.Best(10, Read);

        void Read() => workers.For(sums.Length, 0, (_, i) =>
        {
            var block = data.AsSpan(i * Block, Block);
            sums[i] = VectorMath.Dot(block, block);
        });
    }

    /// <summary>Formats a rate.</summary>
    public static string Rate(double tokensPerSecond) => string.Create(CultureInfo.InvariantCulture, $"{tokensPerSecond:0.0} tokens/s");
}
