using System.Runtime.CompilerServices;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Generation;

/// <summary>Generates answers on any engine, many at a time with a key/value cache, or one as a stream.</summary>
/// <remarks>Like the model, not safe for concurrent use: one call at a time.</remarks>
public sealed class TextGenerator
{
    private readonly ICausalLanguageModel _model;
    private readonly HuggingFaceTokenizer _tokenizer;
    private readonly HashSet<int> _stopIds;

    /// <summary>Creates a generator.</summary>
    /// <param name="model">The model; the caller keeps it.</param>
    /// <param name="tokenizer">Turns tokens into text.</param>
    /// <param name="stopIds">Tokens that end an answer; see <see cref="Data.PromptEncoder.StopIds"/>.</param>
    public TextGenerator(ICausalLanguageModel model, HuggingFaceTokenizer tokenizer, IReadOnlyCollection<int> stopIds)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(stopIds);
        (_model, _tokenizer, _stopIds) = (model, tokenizer, [.. stopIds]);
    }

    /// <summary>Generates one answer per prompt.</summary>
    /// <param name="prompts">Prompts as token ids; they grow together, <see cref="GenerationOptions.MaximumBatchSize"/> at a time, in order.</param>
    /// <param name="options">How to choose tokens and when to end. An answer also ends where the model's positions do.</param>
    /// <param name="cancellationToken">Observed between tokens and inside the engine.</param>
    /// <returns>One answer per prompt, in order; none for no prompts.</returns>
    /// <exception cref="NlftException">
    /// An option lies outside its range, or a prompt is empty, leaves no room for an answer, or has a token that the model lacks.
    /// </exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public IReadOnlyList<GeneratedText> Generate(
        IReadOnlyList<int[]> prompts, GenerationOptions options, CancellationToken cancellationToken = default) => GeneratePart(prompts, options, firstRow: 0, cancellationToken);

    /// <summary>Generates one answer per prompt of a part of many.</summary>
    /// <param name="prompts">Prompts as token ids.</param>
    /// <param name="options">How to choose tokens and when to end.</param>
    /// <param name="firstRow">Place of the first prompt among all.</param>
    /// <param name="cancellationToken">Observed between tokens and inside the engine.</param>
    internal IReadOnlyList<GeneratedText> GeneratePart(IReadOnlyList<int[]> prompts, GenerationOptions options, int firstRow, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        ArgumentOutOfRangeException.ThrowIfNegative(firstRow);
        DecodingRow[] rows = [.. prompts.Select((prompt, i) => Row(prompt, options, checked(firstRow + i)))];
        foreach (var batch in rows.Chunk(options.MaximumBatchSize)) Grow(batch, grown: null, cancellationToken);
        return Array.ConvertAll(rows, row => row.Result());
    }

    /// <summary>Generates one answer as a stream of texts; joined, they are the text that <see cref="Generate"/> returns.</summary>
    /// <param name="prompt">The prompt as token ids.</param>
    /// <param name="options">How to choose tokens and when to end.</param>
    /// <param name="completed">Told of the whole answer when it is complete.</param>
    /// <param name="cancellationToken">Observed between tokens and inside the engine.</param>
    /// <returns>
    /// Non-empty texts. Half a character, or what may become a stop string, is held back until it is certain. The network runs on the
    /// thread pool.
    /// </returns>
    /// <exception cref="NlftException">As for <see cref="Generate"/>, when the enumeration begins.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public async IAsyncEnumerable<string> GenerateStreaming(
        int[] prompt, GenerationOptions options, Action<GeneratedText>? completed = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var row = Row(prompt, options);
        IDecodingSession? session = null;
        var next = 0;
        try
        {
            while (row.Finish is null)
            {
                // Locked for a token at a time, its logits included: others may use the model in between, or dispose it.
                await Task.Run(() => next = Serialize(() =>
                {
                    if (session is null) session = _model.StartDecoding([prompt], row.Limit, cancellationToken);
                    else session.Append([next], cancellationToken);
                    return row.Next(session.Logits(0));
                }), cancellationToken).ConfigureAwait(false);
                var text = row.TakeText();
                if (text.Length > 0) yield return text;
                cancellationToken.ThrowIfCancellationRequested();
            }
        }
        finally
        {
            session?.Dispose();
        }

        completed?.Invoke(row.Result());
    }

    /// <summary>Waits for the model to be free and keeps it busy while the work for a token runs; by default nobody else uses it.</summary>
    internal Func<Func<int>, int> Serialize { get; init; } = work => work();

    /// <summary>Checks options and prompt and makes a row of them.</summary>
    /// <param name="prompt">The prompt as token ids.</param>
    /// <param name="options">How to choose tokens and when to end.</param>
    /// <param name="index">Which row of its call it is: names its stream of random numbers, and the prompt in messages.</param>
    internal DecodingRow Row(int[] prompt, GenerationOptions options, int index = 0)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        return new DecodingRow(prompt, index, Limit(prompt, $"prompt {index + 1}", options), options, _stopIds, _tokenizer);
    }

    /// <summary>Grows rows together, each by its own options to its own end.</summary>
    /// <param name="batch">One row or more.</param>
    /// <param name="grown">Told the index of every row that has grown or ended.</param>
    /// <param name="cancellationToken">Observed between tokens and inside the engine.</param>
    internal void Grow(DecodingRow[] batch, Action<int>? grown, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var prompts = Array.ConvertAll(batch, row => (ReadOnlyMemory<int>)row.Prompt);
        using var session = _model.StartDecoding(prompts, batch.Max(row => row.Limit), cancellationToken);
        var next = new int[batch.Length]; // negative once a row has ended
        while (true)
        {
            for (var i = 0; i < batch.Length; i++)
            {
                if (next[i] < 0) continue;
                next[i] = batch[i].Ended ? -1 : batch[i].Next(session.Logits(i));
                grown?.Invoke(i);
            }
            if (Array.TrueForAll(next, token => token < 0)) return;
            cancellationToken.ThrowIfCancellationRequested();
            session.Append(next, cancellationToken);
        }
    }

    /// <summary>Most tokens that fit after a prompt; refuses one after which none does.</summary>
    private int Limit(int[] prompt, string place, GenerationOptions options)
    {
        var positions = _model.Configuration.MaximumPositions;
        if (prompt.Length == 0)
            throw new NlftException(place, "no tokens", "one or more", "Begin it with the model's beginning-of-sequence token or a chat template.");
        if (prompt.Length >= positions)
            throw new NlftException(place, $"{prompt.Length} tokens", $"fewer than {positions} (max_position_embeddings)",
                "Shorten the prompt: it leaves no room for an answer.");
        TokenCheck.RefuseForeign(prompt, place, _model.Configuration);
        return Math.Min(options.MaximumNewTokens, positions - prompt.Length);
    }
}
