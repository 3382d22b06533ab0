using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>
/// Reads a tokenizer.json, together with <see cref="ModelJson"/>, <see cref="TokenizerSteps"/> and <see cref="PostProcessorJson"/>. Refuses unknown
/// parts by name.
/// </summary>
/// <remarks>
/// The format is version 1.0 of Hugging Face tokenizers. The keys "truncation" and "padding" are ignored: transformers sets both on every call.
/// </remarks>
internal static class TokenizerJson
{
    public static TokenizerDefinition Read(JsonPlace root, TokenizerConfiguration configuration)
    {
        if (root["version"] is { IsNull: false } version && version.String() != "1.0")
        {
            throw version.Refuse("\"1.0\"");
        }

        var kind = ModelJson.Kind(root["model"]);
        var vocabulary = ModelJson.Vocabulary(root["model"], kind);
        var addedTokens = AddedVocabulary.Of(vocabulary, ReadAddedTokens(root["added_tokens"], vocabulary), configuration);
        if (kind == ModelKind.BytePair && NoBreakSpaces.AreLost(root["model"]))
        {
            vocabulary = NoBreakSpaces.Restore(vocabulary, addedTokens);
        }

        return new TokenizerDefinition
        {
            Vocabulary = vocabulary,
            Model = ModelJson.Model(root["model"], kind, vocabulary),
            AddedTokens = addedTokens,
            Normalizer = root["normalizer"] is { IsNull: false } normalizer ? TokenizerSteps.Normalizer(normalizer) : null,
            PreTokenizer = root["pre_tokenizer"] is { IsNull: false } preTokenizer ? TokenizerSteps.PreTokenizer(preTokenizer) : null,
            PostProcessing = ReadPostProcessing(root["post_processor"], vocabulary, addedTokens),
            Decoder = root["decoder"] is { IsNull: false } decoder ? TokenizerSteps.Decoder(decoder) : () => [new SpacedStage()],
            CleansUp = configuration.CleansUp(kind),
        };
    }

    private static PostProcessing ReadPostProcessing(JsonPlace place, Vocabulary vocabulary, IReadOnlyList<AddedToken> addedTokens)
    {
        var processing = place.IsNull ? PostProcessing.None : PostProcessorJson.Read(place);
        var added = addedTokens.Select(token => token.Id).ToHashSet();
        foreach (var id in processing.Before.Concat(processing.After))
        {
            if (vocabulary[id] is null && !added.Contains(id))
            {
                throw new NlftException(place.Subject, $"id {id}", "ids of model.vocab or added_tokens", place.Source.FileRemedy);
            }
        }

        return processing;
    }

    private static List<AddedToken> ReadAddedTokens(JsonPlace place, Vocabulary vocabulary)
    {
        var tokens = new List<AddedToken>();
        if (place.IsNull) return tokens;

        var taken = new Dictionary<int, string>();
        var contents = new HashSet<string>(StringComparer.Ordinal);
        foreach (var entry in place.Items())
        {
            var token = TokenizerConfiguration.ReadToken(entry, ModelJson.Id(entry["id"]));
            var (id, content) = (token.Id, token.Content);
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
            tokens.Add(token);
        }

        return tokens;
    }
}
