using System.Buffers;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Grammars;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Generation;

/// <summary>The state of one answer during generation: chooses tokens, decodes them and detects the end.</summary>
internal sealed class DecodingRow
{
    private readonly IReadOnlySet<int> _stopIds;
    private readonly TokenSampler _sampler;
    private readonly TokenStreamDecoder _decoder;
    private readonly GrammarText? _grammar;
    private readonly StopStringText _text;
    private readonly List<int> _tokens = [];
    private readonly List<double>? _logProbabilities;
    private readonly List<IReadOnlyList<TokenLogProbability>>? _alternatives;
    private readonly int _alternativeCount;

    /// <summary>Creates a row.</summary>
    /// <param name="prompt">The prompt as token ids.</param>
    /// <param name="row">Index of the row in its call.</param>
    /// <param name="limit">Maximum number of new tokens, 1 or more.</param>
    /// <param name="options">Valid options.</param>
    /// <param name="stopIds">Token ids that end the row.</param>
    /// <param name="tokenizer">Decodes the tokens.</param>
    /// <param name="grammar">Restricts the tokens; null: they are free.</param>
    public DecodingRow(
        int[] prompt, int row, int limit, GenerationOptions options, IReadOnlySet<int> stopIds, HuggingFaceTokenizer tokenizer, GrammarText? grammar)
    {
        (Prompt, Limit, _stopIds, _grammar) = (prompt, limit, stopIds, grammar);
        PromptLookupTokens = options.PromptLookupTokens;
        _sampler = new TokenSampler(options, row, prompt);
        _decoder = new TokenStreamDecoder(tokenizer, skipSpecialTokens: true, options.Form?.ShownTokens);
        _text = new StopStringText(grammar is null ? options.StopStrings : []);
        _logProbabilities = options.LogProbabilities ? [] : null;
        (_alternativeCount, _alternatives) = (options.TopLogProbabilities, options.TopLogProbabilities > 0 ? [] : null);
    }

    /// <summary>Gets the prompt.</summary>
    public int[] Prompt { get; }

    /// <summary>Gets the maximum number of new tokens.</summary>
    public int Limit { get; }

    /// <summary>Gets the most tokens to guess at a time.</summary>
    public int PromptLookupTokens { get; }

    /// <summary>Gets or sets how many tokens of the prompt were not computed.</summary>
    public int CachedTokens { get; set; }

    /// <summary>Gets or sets how many tokens of the answer were guessed.</summary>
    public int GuessedTokens { get; set; }

    /// <summary>Gets why the row ended; null while it is being generated or after it was abandoned.</summary>
    public FinishReason? Finish { get; private set; }

    /// <summary>Set when the caller no longer waits for the answer: the row gets no more tokens.</summary>
    public volatile bool Abandoned;

    /// <summary>Gets whether the row gets no more tokens.</summary>
    public bool Ended => Finish is not null || Abandoned;

    /// <summary>
    /// Returns how to choose the next token where the row needs no logits for anything else, for <see cref="Append"/>; else null, for
    /// <see cref="Next"/>. To be called once a token.
    /// </summary>
    public TokenChoice? Choice() => _grammar is null && _logProbabilities is null && _alternatives is null ? _sampler.Choice() : null;

    /// <summary>Chooses the next token.</summary>
    /// <returns>The token to append, or -1 when the row has ended.</returns>
    public int Next(ReadOnlySpan<float> logits)
    {
        var token = _grammar is null ? _sampler.Next(logits) : NextByGrammar(_grammar, logits);
        if (_logProbabilities is not null || _alternatives is not null) RecordLogProbabilities(logits, token);
        return Append(token);
    }

    /// <summary>Takes the next token.</summary>
    /// <returns>The token to append, or -1 when the row has ended.</returns>
    public int Append(int token)
    {
        _tokens.Add(token);
        var stopped = _stopIds.Contains(token);
        if (!stopped) _text.Append(_grammar is null ? _decoder.Append(token) : _grammar.Append(token));
        stopped |= _grammar is { IsComplete: true };
        if (stopped || _tokens.Count == Limit) _text.Append(_grammar is null ? _decoder.Finish() : _grammar.Finish());
        if (stopped || _text.Stopped) Finish = FinishReason.Stop;
        else if (_tokens.Count == Limit) Finish = FinishReason.Length;
        return Finish is null ? token : -1;
    }

    /// <summary>Returns the text that has become certain since the last call.</summary>
    public string TakeText() => _text.Take(final: Finish is not null);

    /// <summary>Returns the answer of a row that has ended.</summary>
    public GeneratedText Result() =>
        new(_text.ToString(), _tokens, Prompt.Length, Finish!.Value)
        {
            CachedPromptTokens = CachedTokens,
            GuessedTokens = GuessedTokens,
            LogProbabilities = _logProbabilities,
            TopLogProbabilities = _alternatives,
        };

    /// <summary>Chooses among the tokens that fit the grammar; the logits stay as they are.</summary>
    private int NextByGrammar(GrammarText grammar, ReadOnlySpan<float> logits)
    {
        var rented = ArrayPool<float>.Shared.Rent(logits.Length);
        try
        {
            var fitting = rented.AsSpan(0, logits.Length);
            logits.CopyTo(fitting);
            grammar.Restrict(fitting, _stopIds);
            return _sampler.Next(fitting);
        }
        finally
        {
            ArrayPool<float>.Shared.Return(rented);
        }
    }

    /// <summary>Records ln p of the chosen token and of the likeliest tokens.</summary>
    private void RecordLogProbabilities(ReadOnlySpan<float> logits, int token)
    {
        var logSum = LogSumExp(logits);
        _logProbabilities?.Add(logits[token] - logSum);
        if (_alternatives is null) return;
        var top = new PriorityQueue<int, (float Logit, int MinusId)>(_alternativeCount + 1); // dequeues the least likely first
        for (var i = 0; i < logits.Length; i++)
        {
            if (top.Count < _alternativeCount) top.Enqueue(i, (logits[i], -i));
            else top.EnqueueDequeue(i, (logits[i], -i));
        }
        var likeliest = new TokenLogProbability[top.Count];
        for (var i = likeliest.Length - 1; top.TryDequeue(out var id, out var rank); i--) likeliest[i] = new(id, rank.Logit - logSum);
        _alternatives.Add(likeliest);
    }

    /// <summary>Computes ln sum exp(logits), shifted by the maximum so that it cannot overflow.</summary>
    private static double LogSumExp(ReadOnlySpan<float> logits)
    {
        double maximum = float.NegativeInfinity, sum = 0;
        foreach (var logit in logits) maximum = Math.Max(maximum, logit);
        foreach (var logit in logits) sum += Math.Exp(logit - maximum);
        return maximum + Math.Log(sum);
    }
}
