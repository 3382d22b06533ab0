using System.Buffers;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>
/// A tokenizer.json of Hugging Face as a <see cref="Tokenizer"/>: byte-pair encoding, byte-level (GPT-2, Llama 3, Qwen, SmolLM, Falcon)
/// or SentencePiece-style with byte fallback (Llama 2, TinyLlama, Phi-3). Ids and decoded text equal those of Hugging Face's own tokenizers.
/// Safe for use from many threads.
/// </summary>
/// <remarks>
/// The inherited methods recognise added tokens in the text and add none; <c>considerPreTokenization: false</c> leaves the text in one piece
/// (rewritten to the byte alphabet where the model needs that), <c>considerNormalization: false</c> leaves it as it is. Offsets are places in
/// the text as given, so no normalized text is returned; a token that holds a part of a character has the offset of the whole character.
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
        _normalizedTokens = new AddedTokens(definition.AddedTokens.Where(t => t.IsNormalized).Select(t => (Normalize(new Fragment(t.Content, 0)).Text, t)));
        SpecialTokens = definition.AddedTokens.Where(t => t.IsSpecial).ToDictionary(t => t.Content, t => t.Id, StringComparer.Ordinal);
        _addedIds = definition.AddedTokens.ToDictionary(t => t.Content, t => t.Id, StringComparer.Ordinal);
        _addedContents = definition.AddedTokens.ToDictionary(t => t.Id, t => t.Content);
        VocabularySize = Math.Max(definition.Vocabulary.Size, definition.AddedTokens.Select(t => t.Id + 1).DefaultIfEmpty().Max());
    }

    /// <summary>Reads tokenizer.json, and tokenizer_config.json and special_tokens_map.json beside it where they are there.</summary>
    /// <param name="path">A tokenizer.json, or a model folder that holds one.</param>
    /// <exception cref="NlftException">A file is missing, is no valid JSON, contradicts itself, or names a step that is not supported.</exception>
    public static HuggingFaceTokenizer Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var file = Directory.Exists(path) ? Path.Combine(path, "tokenizer.json") : path;
        if (!File.Exists(file))
        {
            throw new NlftException(file, "no such file", "a tokenizer.json of Hugging Face", "Give a tokenizer.json or a model folder that holds one.");
        }

        return new HuggingFaceTokenizer(TokenizerJson.Read(file), SpecialTokenNames.Read(Path.GetDirectoryName(Path.GetFullPath(file))!));
    }

    /// <summary>Number of ids: one more than the largest. A model's own vocabulary may be larger.</summary>
    public int VocabularySize { get; }

    /// <summary>Content and id of every added token that is special.</summary>
    public IReadOnlyDictionary<string, int> SpecialTokens { get; }

    /// <summary>bos_token of tokenizer_config.json or else special_tokens_map.json, or null.</summary>
    public string? BeginningOfSequenceToken => _names.BeginningOfSequence;

    /// <summary>eos_token of tokenizer_config.json or else special_tokens_map.json, or null.</summary>
    public string? EndOfSequenceToken => _names.EndOfSequence;

    /// <summary>unk_token of tokenizer_config.json or else special_tokens_map.json, or null.</summary>
    public string? UnknownToken => _names.Unknown;

    /// <summary>pad_token of tokenizer_config.json or else special_tokens_map.json, or null.</summary>
    public string? PaddingToken => _names.Padding;

    /// <summary>The id of a token by its text in tokenizer.json, or null.</summary>
    public int? TokenToId(string token) => _addedIds.TryGetValue(token, out var added) ? added : _definition.Vocabulary[token] is var id and >= 0 ? id : null;

    /// <summary>The text in tokenizer.json of the token with an id, or null.</summary>
    public string? IdToToken(int id) => _definition.Vocabulary[id] ?? _addedContents.GetValueOrDefault(id);

    /// <summary>Token ids of a text.</summary>
    /// <param name="text">Any text. Half a surrogate pair counts as U+FFFD.</param>
    /// <param name="addSpecialTokens">Whether the post-processor adds its tokens (bos, for example).</param>
    /// <param name="plainText">
    /// Ranges of <paramref name="text"/> that came from a user: no added token that touches one is recognised, so that user text cannot
    /// end a turn. The text is otherwise tokenized as a whole; ranges make no cuts.
    /// </param>
    public int[] Encode(string text, bool addSpecialTokens, IReadOnlyList<Range>? plainText = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        var plain = plainText is null ? [] : plainText.Select(range => range.GetOffsetAndLength(text.Length)).Select(r => (r.Offset, r.Offset + r.Length)).Where(r => r.Item1 < r.Item2).ToArray();
        var ids = new List<int>(text.Length / 2);
        foreach (var piece in Pieces(text, plain, normalize: true, split: true))
        {
            if (piece.TokenId is { } id) ids.Add(id);
            else ids.AddRange(_definition.Model.Tokenize(piece.Text).Ids);
        }

        return addSpecialTokens ? [.. _definition.PostProcessing.Before, .. ids, .. _definition.PostProcessing.After] : [.. ids];
    }

    /// <summary>The text of token ids. Ids without a token leave no text.</summary>
    /// <param name="ids">Token ids.</param>
    /// <param name="skipSpecialTokens">Whether special tokens leave no text.</param>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens)
    {
        var decoder = new TokenStreamDecoder(this, skipSpecialTokens);
        var text = new StringBuilder();
        foreach (var id in ids) text.Append(decoder.Append(id));

        return text.Append(decoder.Finish()).ToString();
    }

    /// <summary>The text of token ids, special tokens included.</summary>
    /// <param name="ids">Token ids.</param>
    public override string Decode(IEnumerable<int> ids)
    {
        ArgumentNullException.ThrowIfNull(ids);
        return Decode(ids.ToArray(), skipSpecialTokens: false);
    }

    /// <summary>The text of token ids, special tokens included, as much as fits.</summary>
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

    internal IEnumerable<DecodingStage> CreateDecodingStages() => _names.CleanUpSpaces ? _definition.Decoder().Append(new CleanUpStage()) : _definition.Decoder();

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

    /// <summary>The pipeline: added tokens in the text as given, normalizing, added tokens in the normalized text, splitting.</summary>
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

    /// <summary>The text with U+FFFD for each half of a surrogate pair that stands alone: the same length.</summary>
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
