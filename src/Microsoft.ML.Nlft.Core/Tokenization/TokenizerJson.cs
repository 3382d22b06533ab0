using System.Text.Json;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>Reads a tokenizer.json with a byte-pair model, together with <see cref="TokenizerSteps"/>. Refuses unknown parts by name.</summary>
/// <remarks>
/// The format is version 1.0 of Hugging Face tokenizers. The keys "truncation" and "padding" are ignored: transformers sets both on every call.
/// </remarks>
internal static class TokenizerJson
{
    private const int IdLimit = 1 << 24, DenseIds = 1 << 16;
    private const string OtherModel = "Use a model with a byte-pair tokenizer (Llama, Qwen, SmolLM, Phi, Mistral, GPT-2 and others).";

    public static TokenizerDefinition Read(string path)
    {
        var root = JsonFile.Load(new(path, "tokenizer.json of a model"));
        if (root["version"] is { IsNull: false } version && version.String() != "1.0")
        {
            throw version.Refuse("\"1.0\"");
        }

        var vocabulary = ReadVocabulary(root["model"]);
        var addedTokens = ReadAddedTokens(root["added_tokens"], vocabulary);
        if (NoBreakSpaces.AreLost(root["model"]))
        {
            vocabulary = NoBreakSpaces.Restore(vocabulary, addedTokens);
        }

        return new TokenizerDefinition
        {
            Vocabulary = vocabulary,
            Model = ReadModel(root["model"], vocabulary),
            AddedTokens = addedTokens,
            Normalizer = root["normalizer"] is { IsNull: false } normalizer ? TokenizerSteps.Normalizer(normalizer) : null,
            PreTokenizer = root["pre_tokenizer"] is { IsNull: false } preTokenizer ? TokenizerSteps.PreTokenizer(preTokenizer) : null,
            PostProcessing = ReadPostProcessing(root["post_processor"], vocabulary, addedTokens),
            Decoder = root["decoder"] is { IsNull: false } decoder ? TokenizerSteps.Decoder(decoder) : () => [new SpacedStage()],
        };
    }

    private static Vocabulary ReadVocabulary(JsonPlace model)
    {
        model.RequireObject();
        var type = model["type"];
        if (type.IsNull ? model["merges"].IsNull : type.String() != "BPE")
        {
            throw type.Refuse("\"BPE\"", OtherModel);
        }

        var place = model["vocab"];
        var entries = place.RequireObject();
        var vocabulary = new Vocabulary(entries.GetPropertyCount());
        var limit = (int)Math.Min(IdLimit, DenseIds + 16L * entries.GetPropertyCount());
        foreach (var (token, value) in place.Members())
        {
            var id = Id(value, limit);
            if (!vocabulary.TryAdd(token, id))
            {
                throw value.Refuse("an id of its own", $"\"{vocabulary[id]}\" has the same id: correct the file, or download it again.");
            }
        }

        return vocabulary.Count > 0 ? vocabulary
            : throw new NlftException(place.Subject, "no tokens", "at least one token", "Correct the file, or download it again.");
    }

    /// <summary>Reads an id. The limit, far above known vocabularies, keeps a damaged file from claiming excessive memory.</summary>
    private static int Id(JsonPlace place, int limit = IdLimit) =>
        place.Index() is var id && id < limit ? id : throw place.Refuse($"an id below {limit}");

    private static BytePairModel ReadModel(JsonPlace model, Vocabulary vocabulary)
    {
        foreach (var affix in new[] { "continuing_subword_prefix", "end_of_word_suffix" })
        {
            if (!string.IsNullOrEmpty(model[affix].StringOrNull()))
            {
                throw model[affix].Refuse("null or \"\"", OtherModel);
            }
        }

        var dropout = model["dropout"];
        if (!dropout.IsNull && !(dropout.Value.ValueKind == JsonValueKind.Number && dropout.Value.TryGetDouble(out var rate) && rate == 0))
        {
            throw dropout.Refuse("null or 0", "Merges left out at random make ids differ from run to run: set it to null.");
        }

        var options = new BytePairOptions(
            model["unk_token"].StringOrNull(), model["fuse_unk"].Boolean(false), model["byte_fallback"].Boolean(false),
            model["ignore_merges"].Boolean(false));
        return new BytePairModel(vocabulary, ReadMerges(model["merges"], vocabulary), options);
    }

    private static Dictionary<(int Left, int Right), (int Rank, int Id)> ReadMerges(JsonPlace place, Vocabulary vocabulary)
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
                if (line.StartsWith("#version", StringComparison.Ordinal))
                {
                    continue;
                }

                line = line.AsSpan().Count(' ') == 1
                    ? line
                    : NoBreakSpaces.Restore(line, vocabulary) ?? throw merge.Refuse("two tokens with one space between them");
                var space = line.IndexOf(' ');
                (left, right) = (line[..space], line[(space + 1)..]);
            }
            else
            {
                var pair = merge.Items().Select(token => token.String()).ToArray();
                (left, right) = pair.Length == 2 ? (pair[0], pair[1]) : throw merge.Refuse("two tokens");
            }

            // As in Hugging Face, a repeated pair takes its last rank.
            merges[(Id(left, merge), Id(right, merge))] = (rank++, Id(left + right, merge));
        }

        return merges;

        int Id(string token, JsonPlace merge) =>
            vocabulary[token] is var id and >= 0
                ? id
                : throw merge.Refuse($"a merge of tokens into a token, each in model.vocab, which lacks \"{token}\"");
    }

    private static PostProcessing ReadPostProcessing(JsonPlace place, Vocabulary vocabulary, IReadOnlyList<AddedToken> addedTokens)
    {
        var processing = place.IsNull ? PostProcessing.None : TokenizerSteps.PostProcessor(place);
        var added = addedTokens.Select(token => token.Id).ToHashSet();
        foreach (var id in processing.Before.Concat(processing.After))
        {
            if (vocabulary[id] is null && !added.Contains(id))
            {
                throw new NlftException(place.Subject, $"id {id}", "ids of model.vocab or added_tokens", "Correct the file, or download it again.");
            }
        }

        return processing;
    }

    private static List<AddedToken> ReadAddedTokens(JsonPlace place, Vocabulary vocabulary)
    {
        var tokens = new List<AddedToken>();
        if (place.IsNull)
        {
            return tokens;
        }

        var taken = new Dictionary<int, string>();
        var contents = new HashSet<string>(StringComparer.Ordinal);
        foreach (var entry in place.Items())
        {
            var (id, content) = (Id(entry["id"]), entry["content"].String());
            if (content.Length == 0 || !contents.Add(content))
            {
                throw entry["content"].Refuse("a text that is not empty and not another added token's");
            }

            if (vocabulary[content] is var known and >= 0 && known != id)
            {
                throw entry["id"].Refuse($"{known}, the id of \"{content}\" in model.vocab");
            }

            if ((vocabulary[id] ?? taken.GetValueOrDefault(id, content)) is var other && other != content)
            {
                throw entry["id"].Refuse("an id of its own", $"\"{other}\" has the same id: correct the file, or download it again.");
            }

            taken[id] = content;
            var special = entry["special"].Boolean(false);
            tokens.Add(new AddedToken(
                id, content, entry["single_word"].Boolean(false), entry["lstrip"].Boolean(false), entry["rstrip"].Boolean(false),
                entry["normalized"].Boolean(!special), special));
        }

        return tokens;
    }
}
