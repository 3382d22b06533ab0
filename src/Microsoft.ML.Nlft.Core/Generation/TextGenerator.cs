using System.Runtime.CompilerServices;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Generation;

/// <summary>Generates answers on any engine with a key/value cache: in batches, or one as a stream.</summary>
/// <remarks>Not thread-safe, like the model: one call at a time.</remarks>
public sealed class TextGenerator
{
    private readonly ICausalLanguageModel _model;
    private readonly HuggingFaceTokenizer _tokenizer;
    private readonly HashSet<int> _stopIds;
    private readonly GrammarCache _grammars;

    /// <summary>Creates a generator.</summary>
    /// <param name="model">The model; the caller disposes it.</param>
    /// <param name="tokenizer">Decodes the tokens.</param>
    /// <param name="stopIds">Token ids that end an answer; see <see cref="Data.PromptEncoder.StopIds"/>.</param>
    public TextGenerator(ICausalLanguageModel model, HuggingFaceTokenizer tokenizer, IReadOnlyCollection<int> stopIds)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(stopIds);
        (_model, _tokenizer, _stopIds) = (model, tokenizer, [.. stopIds]);
        _grammars = new GrammarCache(tokenizer);
    }

    /// <summary>Generates one answer per prompt.</summary>
    /// <param name="prompts">Prompts as token ids. They are processed in order, <see cref="GenerationOptions.MaximumBatchSize"/> at a time.</param>
    /// <param name="options">Sampling and stopping. An answer also ends at the model's last position.</param>
    /// <param name="cancellationToken">Checked between tokens and inside the engine.</param>
    /// <returns>One answer per prompt, in order; empty for no prompts.</returns>
    /// <exception cref="NlftException">
    /// An option is out of range, or a prompt is empty, leaves no room for an answer or contains an id outside the model's vocabulary.
    /// </exception>
    /// <exception cref="OperationCanceledException">The operation was cancelled.</exception>
    public IReadOnlyList<GeneratedText> Generate(
        IReadOnlyList<int[]> prompts, GenerationOptions options, CancellationToken cancellationToken = default) =>
        GeneratePart(prompts, options, firstRow: 0, cancellationToken);

    /// <summary>Generates the answers of a part of many prompts, as if all had been in one call.</summary>
    /// <param name="prompts">Prompts as token ids.</param>
    /// <param name="options">Sampling and stopping.</param>
    /// <param name="firstRow">Index of the first prompt among all, 0 or more.</param>
    /// <param name="cancellationToken">Checked between tokens and inside the engine.</param>
    internal IReadOnlyList<GeneratedText> GeneratePart(
        IReadOnlyList<int[]> prompts, GenerationOptions options, int firstRow, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(prompts);
        ArgumentOutOfRangeException.ThrowIfNegative(firstRow);
        ArgumentNullException.ThrowIfNull(options);
        if (prompts.Count > 0) options.Validate();
        DecodingRow[] rows = [.. prompts.Select((prompt, i) => RowOf(prompt, options, checked(firstRow + i)))];
        foreach (var batch in rows.Chunk(options.MaximumBatchSize)) Extend(batch, extended: null, cancellationToken);
        return Array.ConvertAll(rows, row => row.Result());
    }

    /// <summary>Generates one answer as a stream of texts; joined, they equal the text that <see cref="Generate"/> returns.</summary>
    /// <param name="prompt">The prompt as token ids.</param>
    /// <param name="options">Sampling and stopping.</param>
    /// <param name="completed">Receives the complete answer at its end; null for no callback.</param>
    /// <param name="cancellationToken">Checked between tokens and inside the engine.</param>
    /// <returns>
    /// Non-empty texts. An unfinished character, and what may become a stop string, is held back until it is certain. The network runs on the
    /// thread pool.
    /// </returns>
    /// <exception cref="NlftException">As for <see cref="Generate"/>; thrown when the enumeration starts.</exception>
    /// <exception cref="OperationCanceledException">The operation was cancelled.</exception>
    public async IAsyncEnumerable<string> GenerateStreaming(
        int[] prompt, GenerationOptions options, Action<GeneratedText>? completed = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var row = CreateRow(prompt, options);
        IDecodingSession? session = null;
        var next = 0;
        try
        {
            while (row.Finish is null)
            {
                // Locked for a token at a time, its logits included: others may use the model in between, or dispose it.
                await Task.Run(() => next = Serialize(() =>
                {
                    if (session is null) session = Start([row], cancellationToken);
                    else session.Append([next], cancellationToken);
                    return Next(session, [row])[0];
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

    /// <summary>Checks options and prompt and creates a row.</summary>
    /// <param name="prompt">The prompt as token ids.</param>
    /// <param name="options">Sampling and stopping.</param>
    /// <param name="index">Index of the row in its call, default 0: selects its random stream and names the prompt in messages.</param>
    internal DecodingRow CreateRow(int[] prompt, GenerationOptions options, int index = 0)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        return RowOf(prompt, options, index);
    }

    /// <summary>Creates a row for valid options: a JSON schema among them is read once for many rows.</summary>
    private DecodingRow RowOf(int[] prompt, GenerationOptions options, int index)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        var limit = Limit(prompt, $"prompt {index + 1}", options);
        return new DecodingRow(prompt, index, limit, options, _stopIds, _tokenizer, _grammars.TextOf(options));
    }

    /// <summary>Extends the rows of a batch token by token until each has ended by its own options.</summary>
    /// <param name="batch">One row or more.</param>
    /// <param name="extended">Receives the index of each row that got a token or ended.</param>
    /// <param name="cancellationToken">Checked between tokens and inside the engine.</param>
    internal void Extend(DecodingRow[] batch, Action<int>? extended, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using var session = Start(batch, cancellationToken);
        var next = new int[batch.Length]; // negative once a row has ended
        while (true)
        {
            var before = next;
            next = Next(session, batch);
            for (var i = 0; i < batch.Length; i++)
            {
                if (before[i] >= 0) extended?.Invoke(i);
            }
            if (Array.TrueForAll(next, token => token < 0)) return;
            cancellationToken.ThrowIfCancellationRequested();
            session.Append(next, cancellationToken);
        }
    }

    /// <summary>Reads the prompts of the rows.</summary>
    private IDecodingSession Start(DecodingRow[] rows, CancellationToken cancellationToken)
    {
        var prompts = Array.ConvertAll(rows, row => (ReadOnlyMemory<int>)row.Prompt);
        var session = _model.StartDecoding(prompts, rows.Max(row => row.Limit), cancellationToken);
        if (rows is [{ PromptLookupTokens: > 0 } row] && session is IDraftingSession drafting) session = new PromptLookupSession(drafting, row);
        for (var i = 0; i < rows.Length; i++) rows[i].CachedTokens = session.CachedTokens(i);
        return session;
    }

    /// <summary>
    /// Chooses the next token of every row that has not ended, in the session where it can: the token to append, or -1 when the row has ended.
    /// </summary>
    private static int[] Next(IDecodingSession session, DecodingRow[] rows)
    {
        var choosing = session as IChoosingSession;
        var choices = Array.ConvertAll(rows, row => choosing is null || row.Ended ? null : row.Choice());
        var chosen = Array.Exists(choices, choice => choice is not null) ? choosing!.Choose(choices) : null;
        return [.. rows.Select((row, i) => row.Ended ? -1 : choices[i] is null ? row.Next(session.Logits(i)) : row.Append(chosen![i]))];
    }

    /// <summary>Computes the maximum number of new tokens for a prompt; refuses a prompt that leaves no room.</summary>
    private int Limit(int[] prompt, string place, GenerationOptions options)
    {
        var positions = _model.Configuration.MaximumPositions;
        if (prompt.Length == 0)
        {
            throw new NlftException(place, "no tokens", "one or more", "Begin it with the model's beginning-of-sequence token or a chat template.");
        }
        if (prompt.Length >= positions)
        {
            throw new NlftException(place, $"{prompt.Length} tokens", $"fewer than {positions} (max_position_embeddings)",
                "Shorten the prompt: it leaves no room for an answer.");
        }
        TokenCheck.RequireInVocabulary(prompt, place, _model.Configuration);
        return Math.Min(options.MaximumNewTokens, positions - prompt.Length);
    }
}
