using System.Text;
using LLama;
using LLama.Common;
using LLama.Native;
using RealModel;

namespace Microsoft.ML.Nlft.LlamaCpp;

/// <summary>A GGUF file opened by llama.cpp, with float32 keys and values and without flash attention, which would round to float16.</summary>
internal sealed class LlamaCppModel : IDisposable
{
    private readonly LLamaWeights _weights;
    private readonly LLamaContext _context;

    /// <summary>Opens a file.</summary>
    /// <param name="path">The model.</param>
    /// <param name="adapter">A GGUF adapter to apply; null: none.</param>
    /// <param name="positions">The most tokens of a sequence.</param>
    public LlamaCppModel(string path, string? adapter = null, int positions = 512)
    {
        NativeLibrary.Require();
        var parameters = new ModelParams(path)
        {
            ContextSize = (uint)positions, BatchSize = (uint)positions, UBatchSize = (uint)positions, GpuLayerCount = 0, Threads = 2,
            BatchThreads = 2, TypeK = GGMLType.GGML_TYPE_F32, TypeV = GGMLType.GGML_TYPE_F32, FlashAttention = false,
        };
        _weights = LLamaWeights.LoadFromFile(parameters);
        _context = _weights.CreateContext(parameters);
        if (adapter is not null)
            _context.NativeHandle.SetLoraAdapters(new (LoraAdapter, float)[] { (_weights.NativeHandle.LoadLoraFromFile(adapter), 1f) });
    }

    /// <summary>The tokens that llama.cpp finds in a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="addSpecial">Whether it adds the tokens before and after a text.</param>
    /// <param name="parseSpecial">Whether the names of special tokens in the text become these tokens.</param>
    public int[] Tokenize(string text, bool addSpecial, bool parseSpecial) =>
        Array.ConvertAll(_weights.NativeHandle.Tokenize(text, addSpecial, parseSpecial, Encoding.UTF8), token => (int)token);

    /// <summary>The positions that the file says the model has.</summary>
    public int ContextLength => _weights.ContextSize;

    /// <summary>The natural log-probability of every token after the first ones, and the root mean square of the logits.</summary>
    public (double[] LogProbabilities, double Logits) Score(ReadOnlySpan<int> tokens, int promptLength)
    {
        var batch = Clear();
        for (var i = 0; i < tokens.Length; i++) batch.Add((LLamaToken)tokens[i], i, LLamaSeqId.Zero, logits: true);
        Decode(batch);
        var (result, squares, count) = (new double[tokens.Length - promptLength], 0.0, 0);
        for (var i = promptLength; i < tokens.Length; i++)
        {
            var logits = _context.NativeHandle.GetLogitsIth(i - 1);
            result[i - promptLength] = LogProbability(logits, tokens[i]);
            foreach (var logit in logits) squares += (double)logit * logit;
            count += logits.Length;
        }
        return (result, Math.Sqrt(squares / count));
    }

    /// <summary>The likeliest tokens after a prompt, one by one whatever they are, each with the distance of its logit to the second one.</summary>
    public IReadOnlyList<GreedyStep> Greedy(ReadOnlySpan<int> prompt, int count)
    {
        var batch = Clear();
        for (var i = 0; i < prompt.Length; i++) batch.Add((LLamaToken)prompt[i], i, LLamaSeqId.Zero, logits: i == prompt.Length - 1);
        Decode(batch);
        var last = prompt.Length - 1;
        var result = new List<GreedyStep>(count);
        while (result.Count < count)
        {
            var best = LlamaSharpModel.Best(_context.NativeHandle.GetLogitsIth(last));
            result.Add(best);
            batch.Clear();
            batch.Add((LLamaToken)best.Token, prompt.Length + result.Count - 1, LLamaSeqId.Zero, logits: true);
            Decode(batch);
            last = 0;
        }
        return result;
    }

    public void Dispose()
    {
        _context.Dispose();
        _weights.Dispose();
    }

    private LLamaBatch Clear()
    {
        _context.NativeHandle.MemoryClear();
        return new LLamaBatch();
    }

    private void Decode(LLamaBatch batch) => Assert.AreEqual(DecodeResult.Ok, _context.NativeHandle.Decode(batch), "llama_decode");

    private static double LogProbability(ReadOnlySpan<float> logits, int token)
    {
        double largest = float.NegativeInfinity, sum = 0;
        foreach (var logit in logits) largest = Math.Max(largest, logit);
        foreach (var logit in logits) sum += Math.Exp(logit - largest);
        return logits[token] - largest - Math.Log(sum);
    }
}
