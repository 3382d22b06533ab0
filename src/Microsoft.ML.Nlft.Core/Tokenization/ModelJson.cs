using System.Text.Json;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>Reads the "model" of a tokenizer.json: its kind, its vocabulary and the model itself.</summary>
internal static class ModelJson
{
    private const int IdLimit = 1 << 24, DenseIds = 1 << 16;
    private const int LongestUnigram = 512, LongestWord = 1000, LongestAffix = 100;
    private const string OtherModel = "Use a model whose tokenizer is of one of these kinds.";

    /// <summary>Reads the kind. Old files name none.</summary>
    public static ModelKind Kind(JsonPlace model)
    {
        model.RequireObject();
        var type = model["type"];
        if (!type.IsNull)
        {
            return type.String() switch
            {
                "BPE" => ModelKind.BytePair,
                "Unigram" => ModelKind.Unigram,
                "WordPiece" => ModelKind.WordPiece,
                _ => throw type.Refuse("one of BPE, Unigram, WordPiece", OtherModel),
            };
        }

        return !model["merges"].IsNull ? ModelKind.BytePair
            : model["vocab"].Value.ValueKind == JsonValueKind.Array ? ModelKind.Unigram
            : !model["max_input_chars_per_word"].IsNull ? ModelKind.WordPiece
            : throw type.Refuse("one of BPE, Unigram, WordPiece", OtherModel);
    }

    /// <summary>Reads the vocabulary: an object of token and id, or the list of a unigram model.</summary>
    public static Vocabulary Vocabulary(JsonPlace model, ModelKind kind)
    {
        var place = model["vocab"];
        var entries = kind == ModelKind.Unigram
            ? place.Items().Select((pair, id) => (Pair(pair).Token.String(), Pair(pair).Token, id)).ToList()
            : Ids(place);
        var vocabulary = new Vocabulary(entries.Count);
        foreach (var (token, value, id) in entries)
        {
            if (vocabulary.TryAdd(token, id)) continue;

            throw kind == ModelKind.Unigram
                ? value.Refuse("a token of its own", $"The token {vocabulary[token]} is the same: correct the file, or download it again.")
                : value.Refuse("an id of its own", $"\"{vocabulary[id]}\" has the same id: correct the file, or download it again.");
        }

        return vocabulary.Count > 0 ? vocabulary
            : throw new NlftException(place.Subject, "no tokens", "at least one token", place.Source.FileRemedy);
    }

    /// <summary>Reads an id. The limit, far above known vocabularies, keeps a damaged file from claiming excessive memory.</summary>
    public static int Id(JsonPlace place, int limit = IdLimit) =>
        place.Index() is var id && id < limit ? id : throw place.Refuse($"an id below {limit}");

    /// <summary>Reads the model over its vocabulary.</summary>
    public static ITokenModel Model(JsonPlace model, ModelKind kind, Vocabulary vocabulary) => new CachedModel(kind switch
    {
        ModelKind.Unigram => Unigram(model, vocabulary),
        ModelKind.WordPiece => WordPiece(model, vocabulary),
        _ => BytePair(model, vocabulary),
    });

    private static List<(string Token, JsonPlace Value, int Id)> Ids(JsonPlace place)
    {
        var limit = (int)Math.Min(IdLimit, DenseIds + 16L * place.RequireObject().GetPropertyCount());
        return [.. place.Members().Select(entry => (entry.Name, entry.Value, Id(entry.Value, limit)))];
    }

    private static (JsonPlace Token, JsonPlace Score) Pair(JsonPlace place) =>
        place.Items().ToArray() is [var token, var score] ? (token, score) : throw place.Refuse("a token and its score: [\"token\", -1.5]");

    private static UnigramModel Unigram(JsonPlace model, Vocabulary vocabulary)
    {
        var unknown = model["unk_id"];
        if (!unknown.IsNull && unknown.Index() >= vocabulary.Count)
        {
            throw unknown.Refuse($"the index of one of the {vocabulary.Count} tokens of vocab");
        }

        var scores = model["vocab"].Items().Select(pair =>
        {
            var (token, score) = Pair(pair);
            return token.String().Length <= LongestUnigram ? score.Number() : throw token.Refuse($"a token of at most {LongestUnigram} characters");
        });
        return new UnigramModel(vocabulary, [.. scores], unknown.IntOrNull(), model["byte_fallback"].Boolean(false));
    }

    private static WordPieceModel WordPiece(JsonPlace model, Vocabulary vocabulary)
    {
        var longest = model["max_input_chars_per_word"];
        return new WordPieceModel(
            vocabulary,
            vocabulary[model["unk_token"].StringOrNull() ?? "[UNK]"],
            Affix(model["continuing_subword_prefix"]) ?? "##",
            longest.IsNull ? 100 : longest.Index() is var most and <= LongestWord ? most : throw longest.Refuse($"at most {LongestWord}"));
    }

    /// <summary>Reads what is put before or after every part of a word.</summary>
    private static string? Affix(JsonPlace place)
    {
        var affix = place.StringOrNull();
        return affix?.Length > LongestAffix ? throw place.Refuse($"at most {LongestAffix} characters") : affix;
    }

    private static BytePairModel BytePair(JsonPlace model, Vocabulary vocabulary)
    {
        var dropout = model["dropout"];
        if (!dropout.IsNull && !(dropout.Value.ValueKind == JsonValueKind.Number && dropout.Value.TryGetDouble(out var rate) && rate == 0))
        {
            throw dropout.Refuse("null or 0", "Merges left out at random make ids differ from run to run: set it to null.");
        }

        var options = new BytePairOptions(
            model["unk_token"].StringOrNull(), model["fuse_unk"].Boolean(false), model["byte_fallback"].Boolean(false),
            model["ignore_merges"].Boolean(false), Affix(model["continuing_subword_prefix"]) ?? "", Affix(model["end_of_word_suffix"]) ?? "");
        return new BytePairModel(vocabulary, Merges(model["merges"], vocabulary, options.ContinuingPrefix.Length), options);
    }

    private static Dictionary<(int Left, int Right), (int Rank, int Id)> Merges(JsonPlace place, Vocabulary vocabulary, int prefixLength)
    {
        var count = place.Value.ValueKind == JsonValueKind.Array ? place.Value.GetArrayLength() : 0;
        var merges = new Dictionary<(int Left, int Right), (int Rank, int Id)>(count);
        var rank = 0;
        foreach (var merge in place.Items())
        {
            // A merge is "left right" or ["left", "right"]; only the latter allows spaces in tokens.
            string left, right;
            if (merge.Value.ValueKind == JsonValueKind.String)
            {
                var line = merge.String();
                if (line.StartsWith("#version", StringComparison.Ordinal)) continue;

                line = line.AsSpan().Count(' ') == 1
                    ? line
                    : NoBreakSpaces.Restore(line, vocabulary) ?? throw merge.Refuse("two tokens with one space between them");
                var space = line.IndexOf(' ');
                (left, right) = (line[..space], line[(space + 1)..]);
            }
            else
            {
                (left, right) = merge.Items().ToArray() is [var first, var second] ? (first.String(), second.String())
                    : throw merge.Refuse("two tokens");
            }

            // The right half loses its prefix. As in Hugging Face, a repeated pair takes its last rank.
            var whole = left + right[Math.Min(prefixLength, right.Length)..];
            merges[(Of(left, merge), Of(right, merge))] = (rank++, Of(whole, merge));
        }

        return merges;

        int Of(string token, JsonPlace merge) =>
            vocabulary[token] is var id and >= 0
                ? id
                : throw merge.Refuse($"a merge of tokens into a token, each in model.vocab, which lacks \"{token}\"");
    }
}

/// <summary>The kind of a tokenizer's model.</summary>
internal enum ModelKind
{
    /// <summary>Byte-pair encoding: <see cref="BytePairModel"/>.</summary>
    BytePair,

    /// <summary>Unigram language model: <see cref="UnigramModel"/>.</summary>
    Unigram,

    /// <summary>WordPiece: <see cref="WordPieceModel"/>.</summary>
    WordPiece,
}
