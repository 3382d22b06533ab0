using System.Text;
using LLama;
using LLama.Common;
using LLama.Native;

namespace RealModel;

/// <summary>A step of a greedy answer.</summary>
/// <param name="Token">The likeliest token.</param>
/// <param name="Second">The second likeliest.</param>
/// <param name="Margin">How far the logit of the second is below that of the first.</param>
internal readonly record struct GreedyStep(int Token, int Second, float Margin);

/// <summary>
/// A GGUF file run by llama.cpp through LLamaSharp, with float32 keys and values and without flash attention, which would round to float16.
/// </summary>
internal sealed class LlamaSharpModel : IDisposable
{
    private readonly LLamaWeights _weights;
    private readonly LLamaContext _context;

    /// <summary>Opens a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="positions">The most tokens of prompt and answer together.</param>
    public LlamaSharpModel(string path, int positions)
    {
        var parameters = new ModelParams(path)
        {
            ContextSize = (uint)positions, BatchSize = (uint)positions, UBatchSize = (uint)positions, GpuLayerCount = 0,
            TypeK = GGMLType.GGML_TYPE_F32, TypeV = GGMLType.GGML_TYPE_F32, FlashAttention = false,
        };
        _weights = LLamaWeights.LoadFromFile(parameters);
        _context = _weights.CreateContext(parameters);
    }

    /// <summary>Loads the native library without its messages; returns what is wrong where it does not load, else null.</summary>
    public static string? Load()
    {
        try
        {
            NativeLibraryConfig.All.WithLogCallback((_, _) => { });
            NativeApi.llama_max_devices();
            return null;
        }
        catch (Exception exception) when (exception is TypeInitializationException or DllNotFoundException or BadImageFormatException)
        {
            return (exception.InnerException ?? exception).Message.Split('\n')[0];
        }
    }

    /// <summary>The likeliest token after a prompt, then the likeliest after that, up to one that ends the answer.</summary>
    /// <param name="prompt">The whole prompt; the names of special tokens in it are these tokens.</param>
    /// <param name="maximumNewTokens">The most tokens of the answer.</param>
    public IReadOnlyList<GreedyStep> Answer(string prompt, int maximumNewTokens)
    {
        var tokens = _weights.NativeHandle.Tokenize(prompt, false, true, Encoding.UTF8);
        _context.NativeHandle.MemoryClear();
        var batch = new LLamaBatch();
        for (var i = 0; i < tokens.Length; i++) batch.Add(tokens[i], i, LLamaSeqId.Zero, logits: i == tokens.Length - 1);
        var steps = new List<GreedyStep>();
        while (true)
        {
            if (_context.NativeHandle.Decode(batch) is var result and not DecodeResult.Ok)
                throw new InvalidOperationException($"llama_decode: {result}");
            steps.Add(Best(_context.NativeHandle.GetLogitsIth(batch.TokenCount - 1)));
            LLamaToken next = steps[^1].Token;
            if (steps.Count == maximumNewTokens || next.IsEndOfGeneration(_weights.Vocab)) return steps;
            batch.Clear();
            batch.Add(next, tokens.Length + steps.Count - 1, LLamaSeqId.Zero, logits: true);
        }
    }

    /// <summary>The text of tokens without special ones.</summary>
    public string Text(IEnumerable<int> tokens)
    {
        var decoder = new StreamingTokenDecoder(_context);
        foreach (var token in tokens) decoder.Add(token);
        return decoder.Read();
    }

    public void Dispose()
    {
        _context.Dispose();
        _weights.Dispose();
    }

    /// <summary>Compares the two largest of the logits.</summary>
    public static GreedyStep Best(ReadOnlySpan<float> logits)
    {
        var (best, second) = logits[1] > logits[0] ? (1, 0) : (0, 1);
        for (var i = 2; i < logits.Length; i++)
        {
            if (logits[i] > logits[best]) (best, second) = (i, best);
            else if (logits[i] > logits[second]) second = i;
        }
        return new(best, second, logits[best] - logits[second]);
    }
}
