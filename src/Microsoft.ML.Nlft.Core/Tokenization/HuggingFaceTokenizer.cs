using System.Buffers;
using System.Text;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Tokenizers;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>
/// Reads a Hugging Face tokenizer.json as a <see cref="Tokenizer"/>: byte-pair encoding, either byte-level (GPT-2, Llama 3, Qwen, SmolLM,
/// Falcon) or SentencePiece-style with byte fallback (Llama 2, Gemma, Phi-3); unigram (T5, XLM-R); WordPiece (BERT). Ids and decoded text equal
/// those of Hugging Face tokenizers. Thread-safe.
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
    private const string WhatItIs = "tokenizer.json of a model";

    private readonly TokenizerDefinition _definition;
    private readonly IReadOnlyDictionary<string, string> _names;
    private readonly string _folder;
    private readonly int _rows;
    private readonly AddedTokens _addedTokens;
    private readonly AddedTokens _normalizedTokens;
    private readonly Dictionary<string, int> _addedIds;
    private readonly Dictionary<int, string> _addedContents;

    private HuggingFaceTokenizer(TokenizerDefinition definition, IReadOnlyDictionary<string, string> names, string folder, int rows)
    {
        (_definition, _names, _folder, _rows) = (definition, names, folder, rows);
        var budget = new TextBudget(definition.AddedTokens.Sum(t => (long)t.Content.Length));
        var normalized = definition.AddedTokens.Where(t => t.IsNormalized)
            .Select(t => (Pattern: Normalize(new Fragment(t.Content, 0, budget)).Text, Token: t)).ToList();
        _addedTokens = new AddedTokens(definition.AddedTokens.Where(t => !t.IsNormalized).Select(t => (t.Content, t)));
        _normalizedTokens = new AddedTokens(normalized);
        SpecialTokens = definition.AddedTokens.Where(t => t.IsSpecial).ToDictionary(t => t.Content, t => t.Id, StringComparer.Ordinal);
        _addedIds = definition.AddedTokens.ToDictionary(t => t.Content, t => t.Id, StringComparer.Ordinal);
        _addedContents = definition.AddedTokens.ToDictionary(t => t.Id, t => t.Content);
        foreach (var (pattern, token) in normalized) _addedContents[token.Id] = pattern; // as Hugging Face spells it
        LongestToken = definition.Vocabulary.Entries.Select(entry => entry.Key.Length)
            .Concat(definition.AddedTokens.Select(t => t.Content.Length)).DefaultIfEmpty().Max();
        VocabularySize = Math.Max(definition.Vocabulary.Size, definition.AddedTokens.Select(t => t.Id + 1).DefaultIfEmpty().Max());
    }

    /// <summary>
    /// Reads tokenizer.json and, if present, the tokenizer_config.json and special_tokens_map.json beside it, or the vocabulary of a GGUF file.
    /// </summary>
    /// <param name="path">Path of a tokenizer.json, of a model folder that contains one, or of a GGUF file.</param>
    /// <exception cref="NlftException">
    /// tokenizer.json is missing, or a file is invalid JSON, is inconsistent or names an unsupported step; or the vocabulary of the GGUF file is
    /// missing, inconsistent or of a kind that is not read.
    /// </exception>
    public static HuggingFaceTokenizer Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (GgufFile.IsAt(path))
        {
            using var documents = ModelDocuments.Of(path);
            return Load(documents, int.MaxValue);
        }
        return Directory.Exists(path) ? Load(new FolderDocuments(path), int.MaxValue)
            : Load(new FolderDocuments(Path.GetDirectoryName(Path.GetFullPath(path))!), int.MaxValue, file: path);
    }

    /// <summary>Reads a tokenizer for a model whose embedding has a number of rows.</summary>
    /// <param name="documents">The documents of the model.</param>
    /// <param name="rows">
    /// Rows of the embedding. Of the added tokens some may lie beyond (Gemma 3 has one for images) as long as no text needs them.
    /// </param>
    /// <param name="configuration">What the documents beside tokenizer.json say, if they are read already; null: read them.</param>
    /// <param name="file">A tokenizer.json of another name; null: that of the documents.</param>
    /// <exception cref="NlftException">The model's vocabulary, or a token that begins or ends a sequence, lies beyond the embedding.</exception>
    internal static HuggingFaceTokenizer Load(ModelDocuments documents, int rows, TokenizerConfiguration? configuration = null, string? file = null)
    {
        var root = file is null ? documents.Json(ModelDocuments.Tokenizer) : File.Exists(file) ? JsonFile.Load(new(file, WhatItIs)) : null;
        if (root is not { } json) throw Missing(file ?? Path.Combine(documents.Path, ModelDocuments.Tokenizer), documents.Path);
        configuration ??= TokenizerConfiguration.Read(documents);
        var tokenizer = new HuggingFaceTokenizer(TokenizerJson.Read(json, configuration), configuration.Named, documents.Path, rows);
        string?[] ends = [tokenizer.BeginningOfSequenceToken, tokenizer.EndOfSequenceToken];
        var vocabulary = tokenizer._definition.Vocabulary.Entries.Select(entry => entry.Value).Where(id => !tokenizer._addedContents.ContainsKey(id));
        tokenizer.RequireRows(vocabulary.Concat(ends.Select(token => tokenizer._addedIds.GetValueOrDefault(token ?? ""))));
        return tokenizer;
    }

    /// <summary>Gets the number of ids: one more than the largest id. The model's embedding may have more rows.</summary>
    public int VocabularySize { get; }

    /// <summary>Gets the text and id of every special added token.</summary>
    public IReadOnlyDictionary<string, int> SpecialTokens { get; }

    /// <summary>Gets bos_token of tokenizer_config.json or, if that has no added_tokens_decoder, of special_tokens_map.json; null: none.</summary>
    public string? BeginningOfSequenceToken => _names.GetValueOrDefault("bos_token");

    /// <summary>Gets eos_token of tokenizer_config.json or, if that has no added_tokens_decoder, of special_tokens_map.json; null: none.</summary>
    public string? EndOfSequenceToken => _names.GetValueOrDefault("eos_token");

    /// <summary>Gets unk_token of tokenizer_config.json or, if that has no added_tokens_decoder, of special_tokens_map.json; null: none.</summary>
    public string? UnknownToken => _names.GetValueOrDefault("unk_token");

    /// <summary>Gets pad_token of tokenizer_config.json or, if that has no added_tokens_decoder, of special_tokens_map.json; null: none.</summary>
    public string? PaddingToken => _names.GetValueOrDefault("pad_token");

    /// <summary>Gets the folder that the tokenizer was read from, for messages.</summary>
    internal string Folder => _folder;

    /// <summary>Gets the characters of the longest token.</summary>
    internal int LongestToken { get; }

    /// <summary>Returns the id of a token, or null if the tokenizer has no such token.</summary>
    /// <param name="token">The token as tokenizer.json spells it.</param>
    public int? TokenToId(string token) =>
        _addedIds.TryGetValue(token, out var added) ? added : _definition.Vocabulary[token] is var id and >= 0 ? id : null;

    /// <summary>
    /// Returns a token as tokenizer.json spells it, or null if no token has the id. An added token that is searched in normalized text is
    /// returned normalized, as by Hugging Face.
    /// </summary>
    /// <param name="id">Any integer.</param>
    public string? IdToToken(int id) => _addedContents.GetValueOrDefault(id) ?? _definition.Vocabulary[id];

    /// <summary>Encodes a text to token ids.</summary>
    /// <param name="text">Any text. A lone surrogate counts as U+FFFD.</param>
    /// <param name="addSpecialTokens">Whether the post-processor adds its tokens, for example bos.</param>
    /// <param name="plainText">
    /// Ranges of <paramref name="text"/> that came from a user; default none. No added token that overlaps one is recognized, so user text
    /// cannot end a turn. Ranges do not split the text.
    /// </param>
    /// <returns>The ids; empty for an empty text without special tokens.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A range lies outside the text.</exception>
    /// <exception cref="NlftException">The text needs an unknown token that the file lacks, or a token that the model's embedding lacks.</exception>
    public int[] Encode(string text, bool addSpecialTokens, IReadOnlyList<Range>? plainText = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        var plain = plainText is null ? PlainText.None
            : new PlainText(plainText.Select(range => range.GetOffsetAndLength(text.Length))
                .Select(range => (range.Offset, range.Offset + range.Length)));
        var ids = new List<int>(text.Length / 2);
        foreach (var piece in Pieces(text, plain, normalize: true, split: true))
        {
            if (piece.TokenId is { } id) ids.Add(id);
            else ids.AddRange(_definition.Model.Tokenize(piece.Text).Ids);
        }

        int[] all = addSpecialTokens ? [.. _definition.PostProcessing.Before, .. ids, .. _definition.PostProcessing.After] : [.. ids];
        RequireRows(all);
        return all;
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

    /// <summary>What tokenizer.json and the files beside it say.</summary>
    internal TokenizerDefinition Definition => _definition;

    internal IEnumerable<DecodingStage> CreateDecodingStages() =>
        _definition.CleansUp ? _definition.Decoder().Append(new CleanUpStage()) : _definition.Decoder();

    /// <inheritdoc/>
    protected override EncodeResults<EncodedToken> EncodeToTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        text ??= textSpan.ToString();
        var tokens = new List<EncodedToken>(text.Length / 2);
        foreach (var piece in Pieces(text, PlainText.None, settings.ConsiderNormalization, settings.ConsiderPreTokenization))
        {
            if (piece.TokenId is { } added)
            {
                Add(added, piece.OriginOf(0, piece.Text.Length), piece.Text);
                continue;
            }

            var (ids, starts, ends) = _definition.Model.Tokenize(piece.Text);
            for (var i = 0; i < ids.Length; i++) Add(ids[i], piece.OriginOf(starts[i], ends[i]), IdToToken(ids[i])!);
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

        void Add(int id, Range origin, string matched)
        {
            if (_definition.PostProcessing.Trim is { } trimming)
            {
                var trimmed = trimming.Trim(matched, origin, isFirst: tokens.Count == 0);
                origin = WholeCharacter(trimmed.Start.Value)..WholeCharacter(trimmed.End.Value);
            }

            tokens.Add(new EncodedToken(id, IdToToken(id)!, origin));
        }

        int WholeCharacter(int at) => at > 0 && at < text.Length && char.IsLowSurrogate(text[at]) && char.IsHighSurrogate(text[at - 1]) ? at - 1 : at;
    }

    private static NlftException Missing(string file, string folder)
    {
        const string expected = "a tokenizer.json of Hugging Face";
        if (File.Exists(folder))
        {
            return new NlftException(folder, "no vocabulary in its metadata", "the key tokenizer.ggml.model and what belongs to it",
                "Use a file of the model that has its vocabulary.");
        }
        string[] others = [.. new[] { "vocab.json", "merges.txt", "tokenizer.model", "spiece.model", "vocab.txt", "tekken.json", "tiktoken.model" }
            .Where(name => File.Exists(Path.Combine(folder, name)))];
        return others.Length == 0
            ? new NlftException(file, "no such file", expected, "Give a tokenizer.json or a model folder that holds one.")
            : new NlftException(
                file, $"no such file, but {string.Join(" and ", others)}", expected,
                "Let transformers write one, once: AutoTokenizer.from_pretrained(folder).save_pretrained(folder).");
    }

    private void RequireRows(IEnumerable<int> ids)
    {
        var largest = ids.DefaultIfEmpty().Max();
        if (largest < _rows) return;

        throw new NlftException(
            $"the tokenizer of {_folder}",
            $"the token {IdToToken(largest)} with the id {largest}",
            $"ids below {_rows}, the rows of the model's embedding (vocab_size of config.json)",
            "Use the tokenizer files that were published with these weights.");
    }

    private static bool Write(string text, Span<char> destination, ref int length)
    {
        if (!text.TryCopyTo(destination[length..])) return false;

        length += text.Length;
        return true;
    }

    /// <summary>Runs the pipeline: unnormalized added tokens, normalizer, normalized added tokens, pre-tokenizer.</summary>
    private List<Fragment> Pieces(string text, PlainText plainText, bool normalize, bool split)
    {
        var given = new List<Fragment>();
        var budget = new TextBudget(text.Length);
        _addedTokens.Split(new Fragment(WellFormed(text), 0, budget), plainText, given);
        var normalized = new List<Fragment>(given.Count);
        foreach (var piece in given)
        {
            if (piece.TokenId is null) _normalizedTokens.Split(normalize ? Normalize(piece) : piece, plainText, normalized);
            else normalized.Add(piece);
        }

        if (_definition.PreTokenizer is not { } preTokenizer) return normalized;

        budget.Step = "pre_tokenizer";
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
