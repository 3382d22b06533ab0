using System.Buffers;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>
/// Reads a Hugging Face tokenizer.json as a <see cref="Tokenizer"/>: byte-pair encoding, either byte-level (GPT-2, Llama 3, Qwen, SmolLM,
/// Falcon) or SentencePiece-style with byte fallback (Llama 2, TinyLlama, Phi-3). Ids and decoded text equal those of Hugging Face tokenizers.
/// Thread-safe.
/// </summary>
/// <remarks>
/// <para>
/// The inherited methods recognize added tokens in the text and add none. <c>considerPreTokenization: false</c> keeps the text in one piece, in
/// the byte alphabet where the model needs it; <c>considerNormalization: false</c> skips normalization. Offsets refer to the input text, so no
/// normalized text is returned. A token that covers part of a character has the offset of the whole character.
/// </para>
/// <para>
/// This is own code because no tokenizer of Microsoft.ML.Tokenizers reads a tokenizer.json with its added tokens, normalizers and
/// decoders, protects user text from special tokens or decodes a stream.
/// </para>
/// </remarks>
public sealed class HuggingFaceTokenizer : Tokenizer
{
    private readonly TokenizerDefinition _definition;
    private readonly SpecialTokenNames _names;
    private readonly AddedTokens _addedTokens;
    private readonly AddedTokens _normalizedTokens;
    private readonly Dictionary<string, int> _addedIds;
    private readonly Dictionary<int, string> _addedContents;

    private HuggingFaceTokenizer(TokenizerDefinition definition, SpecialTokenNames names)
    {
        (_definition, _names) = (definition, names);
        _addedTokens = new AddedTokens(definition.AddedTokens.Where(t => !t.IsNormalized).Select(t => (t.Content, t)));
        _normalizedTokens = new AddedTokens(
            definition.AddedTokens.Where(t => t.IsNormalized).Select(t => (Normalize(new Fragment(t.Content, 0)).Text, t)));
        SpecialTokens = definition.AddedTokens.Where(t => t.IsSpecial).ToDictionary(t => t.Content, t => t.Id, StringComparer.Ordinal);
        _addedIds = definition.AddedTokens.ToDictionary(t => t.Content, t => t.Id, StringComparer.Ordinal);
        _addedContents = definition.AddedTokens.ToDictionary(t => t.Id, t => t.Content);
        VocabularySize = Math.Max(definition.Vocabulary.Size, definition.AddedTokens.Select(t => t.Id + 1).DefaultIfEmpty().Max());
    }

    /// <summary>Reads tokenizer.json and, if present, the tokenizer_config.json and special_tokens_map.json beside it.</summary>
    /// <param name="path">Path of a tokenizer.json or of a model folder that contains one.</param>
    /// <exception cref="NlftException">
    /// tokenizer.json is missing, or a file is invalid JSON, is inconsistent or names an unsupported step.
    /// </exception>
    public static HuggingFaceTokenizer Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var file = Directory.Exists(path) ? Path.Combine(path, "tokenizer.json") : path;
        if (!File.Exists(file))
        {
            throw new NlftException(
                file, "no such file", "a tokenizer.json of Hugging Face", "Give a tokenizer.json or a model folder that holds one.");
        }

        return new HuggingFaceTokenizer(TokenizerJson.Read(file), SpecialTokenNames.Read(Path.GetDirectoryName(Path.GetFullPath(file))!));
    }

    /// <summary>Gets the number of ids: one more than the largest id. The model's embedding may have more rows.</summary>
    public int VocabularySize { get; }

    /// <summary>Gets the text and id of every special added token.</summary>
    public IReadOnlyDictionary<string, int> SpecialTokens { get; }

    /// <summary>Gets bos_token from tokenizer_config.json, else from special_tokens_map.json, else null.</summary>
    public string? BeginningOfSequenceToken => _names.BeginningOfSequence;

    /// <summary>Gets eos_token from tokenizer_config.json, else from special_tokens_map.json, else null.</summary>
    public string? EndOfSequenceToken => _names.EndOfSequence;

    /// <summary>Gets unk_token from tokenizer_config.json, else from special_tokens_map.json, else null.</summary>
    public string? UnknownToken => _names.Unknown;

    /// <summary>Gets pad_token from tokenizer_config.json, else from special_tokens_map.json, else null.</summary>
    public string? PaddingToken => _names.Padding;

    /// <summary>Returns the id of a token, or null if the tokenizer has no such token.</summary>
    /// <param name="token">The token as tokenizer.json spells it.</param>
    public int? TokenToId(string token) =>
        _addedIds.TryGetValue(token, out var added) ? added : _definition.Vocabulary[token] is var id and >= 0 ? id : null;

    /// <summary>Returns a token as tokenizer.json spells it, or null if no token has the id.</summary>
    /// <param name="id">Any integer.</param>
    public string? IdToToken(int id) => _definition.Vocabulary[id] ?? _addedContents.GetValueOrDefault(id);

    /// <summary>Encodes a text to token ids.</summary>
    /// <param name="text">Any text. A lone surrogate counts as U+FFFD.</param>
    /// <param name="addSpecialTokens">Whether the post-processor adds its tokens, for example bos.</param>
    /// <param name="plainText">
    /// Ranges of <paramref name="text"/> that came from a user; default none. No added token that overlaps one is recognized, so user text
    /// cannot end a turn. Ranges do not split the text.
    /// </param>
    /// <returns>The ids; empty for an empty text without special tokens.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A range lies outside the text.</exception>
    public int[] Encode(string text, bool addSpecialTokens, IReadOnlyList<Range>? plainText = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        (int Start, int End)[] plain =
        [
            .. (plainText ?? []).Select(range => range.GetOffsetAndLength(text.Length))
                .Where(range => range.Length > 0).Select(range => (range.Offset, range.Offset + range.Length)),
        ];
        var ids = new List<int>(text.Length / 2);
        foreach (var piece in Pieces(text, plain, normalize: true, split: true))
        {
            if (piece.TokenId is { } id) ids.Add(id);
            else ids.AddRange(_definition.Model.Tokenize(piece.Text).Ids);
        }

        return addSpecialTokens ? [.. _definition.PostProcessing.Before, .. ids, .. _definition.PostProcessing.After] : [.. ids];
    }

    /// <summary>Decodes token ids to text. Ids without a token are skipped.</summary>
    /// <param name="ids">Token ids.</param>
    /// <param name="skipSpecialTokens">Whether to leave special tokens out of the text.</param>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens)
    {
        var decoder = new TokenStreamDecoder(this, skipSpecialTokens);
        var text = new StringBuilder();
        foreach (var id in ids) text.Append(decoder.Append(id));

        return text.Append(decoder.Finish()).ToString();
    }

    /// <summary>Decodes token ids to text, special tokens included.</summary>
    /// <param name="ids">Token ids.</param>
    public override string Decode(IEnumerable<int> ids)
    {
        ArgumentNullException.ThrowIfNull(ids);
        return Decode(ids.ToArray(), skipSpecialTokens: false);
    }

    /// <summary>Decodes token ids, special tokens included, into a span until it is full.</summary>
    /// <param name="ids">Token ids.</param>
    /// <param name="destination">Receives the text.</param>
    /// <param name="idsConsumed">Number of ids whose text was written in full.</param>
    /// <param name="charsWritten">Number of UTF-16 units written.</param>
    /// <returns><see cref="OperationStatus.Done"/>, or <see cref="OperationStatus.DestinationTooSmall"/>.</returns>
    public override OperationStatus Decode(IEnumerable<int> ids, Span<char> destination, out int idsConsumed, out int charsWritten)
    {
        ArgumentNullException.ThrowIfNull(ids);
        var decoder = new TokenStreamDecoder(this, skipSpecialTokens: false);
        var (count, length) = (0, 0);
        (idsConsumed, charsWritten) = (0, 0);
        foreach (var id in ids)
        {
            if (!Write(decoder.Append(id), destination, ref length)) return OperationStatus.DestinationTooSmall;

            count++;
            if (!decoder.HoldsText) (idsConsumed, charsWritten) = (count, length);
        }

        if (!Write(decoder.Finish(), destination, ref length)) return OperationStatus.DestinationTooSmall;

        (idsConsumed, charsWritten) = (count, length);
        return OperationStatus.Done;
    }

    internal IEnumerable<DecodingStage> CreateDecodingStages() =>
        _names.CleanUpSpaces ? _definition.Decoder().Append(new CleanUpStage()) : _definition.Decoder();

    /// <inheritdoc/>
    protected override EncodeResults<EncodedToken> EncodeToTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        text ??= textSpan.ToString();
        var tokens = new List<EncodedToken>(text.Length / 2);
        foreach (var piece in Pieces(text, [], settings.ConsiderNormalization, settings.ConsiderPreTokenization))
        {
            if (piece.TokenId is { } added)
            {
                tokens.Add(new EncodedToken(added, IdToToken(added)!, piece.OriginOf(0, piece.Text.Length)));
                continue;
            }

            var (ids, starts, ends) = _definition.Model.Tokenize(piece.Text);
            for (var i = 0; i < ids.Length; i++) tokens.Add(new EncodedToken(ids[i], IdToToken(ids[i])!, piece.OriginOf(starts[i], ends[i])));
        }

        var consumed = text.Length;
        if (settings.MaxTokenCount < tokens.Count)
        {
            var count = Math.Max(settings.MaxTokenCount, 0);
            // The bytes of one character stay together.
            while (count > 0 && tokens[count].Offset.Start.Value < tokens[count - 1].Offset.End.Value) count--;

            consumed = count == 0 ? 0 : tokens[count - 1].Offset.End.Value;
            tokens.RemoveRange(count, tokens.Count - count);
        }

        return new EncodeResults<EncodedToken> { Tokens = tokens, NormalizedText = null, CharsConsumed = consumed };
    }

    private static bool Write(string text, Span<char> destination, ref int length)
    {
        if (!text.TryCopyTo(destination[length..])) return false;

        length += text.Length;
        return true;
    }

    /// <summary>Runs the pipeline: unnormalized added tokens, normalizer, normalized added tokens, pre-tokenizer.</summary>
    private List<Fragment> Pieces(string text, IReadOnlyList<(int Start, int End)> plainText, bool normalize, bool split)
    {
        var given = new List<Fragment>();
        _addedTokens.Split(new Fragment(WellFormed(text), 0), plainText, given);
        var normalized = new List<Fragment>(given.Count);
        foreach (var piece in given)
        {
            if (piece.TokenId is null) _normalizedTokens.Split(normalize ? Normalize(piece) : piece, plainText, normalized);
            else normalized.Add(piece);
        }

        if (_definition.PreTokenizer is not { } preTokenizer) return normalized;

        var pieces = new List<Fragment>(text.Length / 4);
        foreach (var piece in normalized)
        {
            if (piece.TokenId is null) preTokenizer.Apply(piece, split, pieces);
            else pieces.Add(piece);
        }

        return pieces;
    }

    private Fragment Normalize(Fragment fragment) => _definition.Normalizer?.Normalize(fragment) ?? fragment;

    /// <summary>Replaces each lone surrogate by U+FFFD, which keeps the length.</summary>
    private static string WellFormed(string text)
    {
        if (text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF') < 0) return text;

        return string.Create(text.Length, text, static (units, source) =>
        {
            source.CopyTo(units);
            for (var i = 0; i < units.Length; i++)
            {
                if (char.IsHighSurrogate(units[i]) && i + 1 < units.Length && char.IsLowSurrogate(units[i + 1])) i++;
                else if (char.IsSurrogate(units[i])) units[i] = '\uFFFD';
            }
        });
    }
}
