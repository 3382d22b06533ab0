using System.Diagnostics;
using LLama;
using LLama.Common;
using LLama.Native;

namespace Microsoft.ML.Nlft.Benchmarks.Yardsticks;

/// <summary>
/// A GGUF file in llama.cpp, through its binding LLamaSharp: the baseline of prompts and answers. It runs with its own defaults, among them keys and
/// values in float16, and flash attention where it thinks that faster. The library itself does not use it.
/// </summary>
internal sealed class LlamaCpp : IDisposable
{
    private const int BatchSize = 512; // tokens of a prompt at a time, its default

    private readonly LLamaWeights _weights;
    private readonly LLamaContext _context;

    private LlamaCpp(string path, int threads, int sequences, int positions)
    {
        var parameters = new ModelParams(path)
        {
            ContextSize = (uint)(sequences * positions), SeqMax = (uint)sequences, BatchSize = BatchSize, UBatchSize = BatchSize,
            GpuLayerCount = 0, Threads = threads, BatchThreads = threads,
        };
        _weights = LLamaWeights.LoadFromFile(parameters);
        _context = _weights.CreateContext(parameters);
    }

    /// <summary>Opens a file; returns null where the native library does not load.</summary>
    /// <param name="path">The file.</param>
    /// <param name="threads">Threads that compute.</param>
    /// <param name="sequences">Sequences at a time.</param>
    /// <param name="positions">The most tokens of a sequence.</param>
    public static LlamaCpp? TryOpen(string path, int threads, int sequences, int positions)
    {
        try
        {
            NativeLibraryConfig.All.WithLogCallback((_, _) => { });
        }
        catch (InvalidOperationException) // it is loaded already
        {
        }
        try
        {
            NativeApi.llama_max_devices();
        }
        catch (Exception exception) when (exception is TypeInitializationException or DllNotFoundException or BadImageFormatException)
        {
            return null;
        }
        return new LlamaCpp(path, threads, sequences, positions);
    }

    /// <summary>Computes the prompts, then a token for each of them <paramref name="tokens"/> times; returns the seconds of both.</summary>
    /// <param name="prompts">The prompts.</param>
    /// <param name="tokens">Tokens that follow.</param>
    /// <param name="kept">Tokens at the beginning of each prompt that are computed before, outside the time, as in an earlier turn.</param>
    public (double Prompts, double Tokens) Measure(int[][] prompts, int tokens, int kept = 0)
    {
        _context.NativeHandle.MemoryClear();
        var batch = new LLamaBatch();
        Read(0, kept);
        var start = Stopwatch.GetTimestamp();
        Read(kept, int.MaxValue);
        var prompt = Stopwatch.GetElapsedTime(start).TotalSeconds;
        start = Stopwatch.GetTimestamp();
        for (var i = 0; i < tokens; i++)
        {
            for (var s = 0; s < prompts.Length; s++) batch.Add((LLamaToken)(5 + s), prompts[s].Length + i, (LLamaSeqId)s, logits: true);
            Decode(batch);
        }
        return (prompt, Stopwatch.GetElapsedTime(start).TotalSeconds);

        void Read(int from, int to)
        {
            for (var s = 0; s < prompts.Length; s++)
            {
                for (var i = from; i < Math.Min(to, prompts[s].Length); i++)
                {
                    batch.Add((LLamaToken)prompts[s][i], i, (LLamaSeqId)s, logits: i == prompts[s].Length - 1);
                    if (batch.TokenCount == BatchSize) Decode(batch);
                }
            }
            Decode(batch);
        }
    }

    public void Dispose()
    {
        _context.Dispose();
        _weights.Dispose();
    }

    private void Decode(LLamaBatch batch)
    {
        if (batch.TokenCount == 0) return;
        var result = _context.NativeHandle.Decode(batch);
        if (result != DecodeResult.Ok) throw new InvalidOperationException($"llama_decode: {result}.");
        batch.Clear();
    }
}
