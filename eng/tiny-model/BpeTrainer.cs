using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Microsoft.ML.Nlft.TinyModel;

/// <summary>
/// Trains a byte-level BPE tokenizer like SmolLM's: separate digits, then GPT-2's word split, then merges over the 256-byte alphabet
/// (Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units", algorithm 1).
/// </summary>
/// <remarks>
/// Training is deterministic: it merges the most frequent pair next, breaks ties by the smaller ids and does not depend on the order of the texts.
/// Ids are the byte alphabet 0..255, the special tokens, then one id per merge.
/// </remarks>
public sealed partial class BpeTrainer
{
    private const int ByteCount = 256;

    private static readonly JsonWriterOptions s_format = new()
    {
        Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private readonly List<string> _tokens = [];
    private readonly List<(int Left, int Right)> _merges = [];
    private readonly int _vocabularySize;
    private readonly IReadOnlyList<string> _specialTokens;

    /// <summary>Creates a trainer.</summary>
    /// <param name="vocabularySize">
    /// Maximum number of ids, special tokens included; at least 256 plus the special tokens. Training stops earlier if no pair occurs twice.
    /// </param>
    /// <param name="specialTokens">Texts of the special tokens in the order of their ids, for example <c>&lt;|endoftext|&gt;</c>.</param>
    public BpeTrainer(int vocabularySize, IReadOnlyList<string> specialTokens)
    {
        ArgumentNullException.ThrowIfNull(specialTokens);
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabularySize, ByteCount + specialTokens.Count);
        if (specialTokens.Distinct(StringComparer.Ordinal).Count() != specialTokens.Count || specialTokens.Any(string.IsNullOrEmpty))
        {
            throw new ArgumentException("Special tokens must be different and not empty.", nameof(specialTokens));
        }

        (_vocabularySize, _specialTokens) = (vocabularySize, specialTokens);
    }

    /// <summary>Gets the tokens by id, in the byte alphabet; empty before <see cref="Train"/>.</summary>
    public IReadOnlyList<string> Tokens => _tokens;

    /// <summary>Learns the merges from texts. Special tokens are not recognized in them.</summary>
    public void Train(IEnumerable<string> texts)
    {
        ArgumentNullException.ThrowIfNull(texts);
        _tokens.Clear();
        _merges.Clear();
        var alphabet = ByteAlphabet();
        // Ids follow the order of the characters, as in Hugging Face's trainer.
        var sorted = alphabet.Order().ToArray();
        _tokens.AddRange(sorted.Select(c => c.ToString()));
        _tokens.AddRange(_specialTokens);
        var idOfByte = alphabet.Select(c => Array.IndexOf(sorted, c)).ToArray();

        var pairs = new PairTable();
        var words = CountWords(texts)
            .Select(word => new Word([.. Encoding.UTF8.GetBytes(word.Key).Select(b => idOfByte[b])], word.Value))
            .ToArray();
        for (var w = 0; w < words.Length; w++) pairs.Change(w, words[w], +1);

        pairs.EnqueueChanged();
        while (_tokens.Count < _vocabularySize && pairs.TryTakeMostFrequent(out var best, out var inWords))
        {
            var id = _tokens.Count;
            _tokens.Add(_tokens[best.Left] + _tokens[best.Right]);
            _merges.Add(best);
            foreach (var w in inWords)
            {
                pairs.Change(w, words[w], -1);
                words[w] = words[w].Merge(best, id);
                pairs.Change(w, words[w], +1);
            }

            pairs.EnqueueChanged();
        }
    }

    /// <summary>Writes tokenizer.json and tokenizer_config.json into a folder, each atomically through a temporary file.</summary>
    /// <param name="folder">An existing folder.</param>
    /// <param name="beginningOfSequence">The bos token, one of the special tokens, or null. Encoding never adds it.</param>
    /// <param name="endOfSequence">The eos token, one of the special tokens.</param>
    /// <param name="padding">The pad token, one of the special tokens.</param>
    /// <param name="maximumLength">The model's context length in tokens.</param>
    public void Save(string folder, string? beginningOfSequence, string endOfSequence, string padding, int maximumLength)
    {
        foreach (var name in new[] { beginningOfSequence, endOfSequence, padding })
        {
            if (name is not null && !_specialTokens.Contains(name))
            {
                throw new ArgumentException($"'{name}' is not one of the special tokens {string.Join(", ", _specialTokens)}.");
            }
        }

        if (_tokens.Count == 0) throw new InvalidOperationException("Train must be called before Save.");

        Write(Path.Combine(folder, "tokenizer.json"), WriteTokenizer);
        Write(Path.Combine(folder, "tokenizer_config.json"), json =>
        {
            json.WriteStartObject();
            json.WriteBoolean("add_prefix_space", false);
            json.WriteString("bos_token", beginningOfSequence);
            json.WriteBoolean("clean_up_tokenization_spaces", false);
            json.WriteString("eos_token", endOfSequence);
            json.WriteNumber("model_max_length", maximumLength);
            json.WriteString("pad_token", padding);
            json.WriteString("tokenizer_class", "PreTrainedTokenizerFast");
            json.WriteEndObject();
        });
    }

    private void WriteTokenizer(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteString("version", "1.0");
        json.WriteNull("truncation");
        json.WriteNull("padding");
        json.WriteStartArray("added_tokens");
        for (var i = 0; i < _specialTokens.Count; i++)
        {
            json.WriteStartObject();
            json.WriteNumber("id", ByteCount + i);
            json.WriteString("content", _specialTokens[i]);
            json.WriteBoolean("single_word", false);
            json.WriteBoolean("lstrip", false);
            json.WriteBoolean("rstrip", false);
            json.WriteBoolean("normalized", false);
            json.WriteBoolean("special", true);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteNull("normalizer");
        json.WriteStartObject("pre_tokenizer");
        json.WriteString("type", "Sequence");
        json.WriteStartArray("pretokenizers");
        json.WriteStartObject();
        json.WriteString("type", "Digits");
        json.WriteBoolean("individual_digits", true);
        json.WriteEndObject();
        json.WriteStartObject();
        WriteByteLevel(json);
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteStartObject("post_processor");
        WriteByteLevel(json);
        json.WriteEndObject();
        json.WriteStartObject("decoder");
        WriteByteLevel(json);
        json.WriteEndObject();
        json.WriteStartObject("model");
        json.WriteString("type", "BPE");
        json.WriteNull("dropout");
        json.WriteNull("unk_token");
        json.WriteNull("continuing_subword_prefix");
        json.WriteNull("end_of_word_suffix");
        json.WriteBoolean("fuse_unk", false);
        json.WriteBoolean("byte_fallback", false);
        json.WriteBoolean("ignore_merges", false);
        json.WriteStartObject("vocab");
        for (var id = 0; id < _tokens.Count; id++) json.WriteNumber(_tokens[id], id);

        json.WriteEndObject();
        json.WriteStartArray("merges");
        foreach (var (left, right) in _merges)
        {
            json.WriteStartArray();
            json.WriteStringValue(_tokens[left]);
            json.WriteStringValue(_tokens[right]);
            json.WriteEndArray();
        }

        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteByteLevel(Utf8JsonWriter json)
    {
        json.WriteString("type", "ByteLevel");
        json.WriteBoolean("add_prefix_space", false);
        json.WriteBoolean("trim_offsets", true);
        json.WriteBoolean("use_regex", true);
    }

    private static void Write(string path, Action<Utf8JsonWriter> write)
    {
        var temporary = path + ".partial";
        using (var stream = File.Create(temporary))
        using (var json = new Utf8JsonWriter(stream, s_format))
        {
            write(json);
        }

        File.Move(temporary, path, overwrite: true);
    }

    /// <summary>Returns the byte alphabet: 21-7E, A1-AC and AE-FF map to themselves, the other 68 bytes, in order, to U+0100 and up.</summary>
    private static char[] ByteAlphabet()
    {
        var next = 0x100;
        return [.. Enumerable.Range(0, ByteCount).Select(b => (char)(b is (>= 0x21 and <= 0x7E) or (>= 0xA1 and <= 0xAC) or >= 0xAE ? b : next++))];
    }

    private static Dictionary<string, long> CountWords(IEnumerable<string> texts)
    {
        var counts = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var text in texts)
        {
            foreach (var piece in SplitDigits(text))
            {
                foreach (var word in Gpt2Words().EnumerateMatches(piece))
                {
                    var key = piece.Substring(word.Index, word.Length);
                    counts[key] = counts.GetValueOrDefault(key) + 1;
                }
            }
        }

        return counts;
    }

    private static IEnumerable<string> SplitDigits(string text)
    {
        var start = 0;
        for (var i = 0; i < text.Length; i++)
        {
            if (CharUnicodeInfo.GetUnicodeCategory(text[i])
                is UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber)
            {
                yield return text[start..i];
                yield return text[i..(i + 1)];
                start = i + 1;
            }
        }

        yield return text[start..];
    }

    [GeneratedRegex(@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", RegexOptions.CultureInvariant)]
    private static partial Regex Gpt2Words();

    /// <summary>A distinct word of the corpus: its current symbols and its number of occurrences.</summary>
    private readonly record struct Word(int[] Symbols, long Count)
    {
        public Word Merge((int Left, int Right) pair, int id)
        {
            var merged = new List<int>(Symbols.Length);
            for (var i = 0; i < Symbols.Length; i++)
            {
                var isPair = i + 1 < Symbols.Length && Symbols[i] == pair.Left && Symbols[i + 1] == pair.Right;
                merged.Add(isPair ? id : Symbols[i]);
                i += isPair ? 1 : 0;
            }

            return new Word([.. merged], Count);
        }
    }

    /// <summary>Counts each pair and tracks the words it occurs in; a queue that skips stale entries yields the most frequent pair.</summary>
    private sealed class PairTable
    {
        private readonly Dictionary<(int Left, int Right), long> _counts = [];
        private readonly Dictionary<(int Left, int Right), HashSet<int>> _words = [];
        private readonly HashSet<(int Left, int Right)> _changed = [];
        private readonly PriorityQueue<((int Left, int Right) Pair, long Count), (long, int, int)> _queue = new();

        public void Change(int index, Word word, int sign)
        {
            for (var i = 0; i + 1 < word.Symbols.Length; i++)
            {
                var pair = (word.Symbols[i], word.Symbols[i + 1]);
                _counts[pair] = _counts.GetValueOrDefault(pair) + (sign * word.Count);
                if (sign > 0) (_words.TryGetValue(pair, out var words) ? words : _words[pair] = []).Add(index);

                _changed.Add(pair);
            }
        }

        /// <summary>Enqueues every pair changed since the last call with its current count.</summary>
        public void EnqueueChanged()
        {
            foreach (var pair in _changed)
            {
                var count = _counts[pair];
                if (count >= 2) _queue.Enqueue((pair, count), (-count, pair.Left, pair.Right));
            }

            _changed.Clear();
        }

        public bool TryTakeMostFrequent(out (int Left, int Right) pair, out int[] words)
        {
            while (_queue.TryDequeue(out var entry, out _))
            {
                if (_counts[entry.Pair] == entry.Count)
                {
                    pair = entry.Pair;
                    // A word that no longer contains the pair is harmless: merging leaves it unchanged.
                    words = [.. _words[pair]];
                    return true;
                }
            }

            (pair, words) = (default, []);
            return false;
        }
    }
}
