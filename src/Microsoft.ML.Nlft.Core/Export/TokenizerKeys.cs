using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Export;

/// <summary>
/// Translates a tokenizer to the keys of a GGUF file: vocabulary, merges or scores, pre-tokenizer, special tokens. llama.cpp has two kinds of
/// byte-pair encoding: gpt2, over bytes and with merges, and llama, SentencePiece's, over characters and with scores.
/// </summary>
internal sealed class TokenizerKeys
{
    private const string Prefix = "tokenizer.ggml.";
    private const string Space = "\u2581"; // how SentencePiece writes a space
    private const string Other = "Write a merged folder with 'nlft merge' and use a program that reads folders.";

    private readonly JsonPlace _file;
    private readonly TokenizerDefinition _definition;
    private readonly HuggingFaceTokenizer _tokenizer;
    private readonly string[] _tokens;
    private readonly TokenKind[] _kinds;
    private readonly List<(string Key, object Value)> _keys = [];

    /// <summary>The numbers of tokenizer.ggml.token_type.</summary>
    private enum TokenKind
    {
        Normal = 1, Unknown = 2, Control = 3, UserDefined = 4, Unused = 5, Byte = 6,
    }

    private TokenizerKeys(JsonPlace file, HuggingFaceTokenizer tokenizer, int rows) =>
        (_file, _tokenizer, _definition, _tokens, _kinds) = (file, tokenizer, tokenizer.Definition, new string[rows], new TokenKind[rows]);

    /// <summary>Returns the keys.</summary>
    /// <param name="model">The model, whose embedding says how many tokens there are.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="template">The chat template; null: none.</param>
    /// <exception cref="NlftException">llama.cpp cannot split or encode texts as this tokenizer does.</exception>
    public static IReadOnlyList<(string Key, object Value)> Of(ModelFolder model, HuggingFaceTokenizer tokenizer, string? template)
    {
        var keys = new TokenizerKeys(model.Documents.Json(ModelDocuments.Tokenizer)!.Value, tokenizer, model.Configuration.VocabularySize);
        keys.AddVocabulary();
        keys.AddSpecialTokens(model.EndOfSequenceIds);
        if (template is not null) keys._keys.Add(("tokenizer.chat_template", template));
        return keys._keys;
    }

    private void AddVocabulary()
    {
        var model = _file["model"];
        if (ModelJson.Kind(model) != ModelKind.BytePair) throw Refuse(model["type"], "BPE");
        foreach (var key in new[] { "continuing_subword_prefix", "end_of_word_suffix" })
        {
            if (model[key].StringOrNull() is { Length: > 0 }) throw Refuse(model[key], "null");
        }
        var pieces = model["byte_fallback"].Boolean(false);
        AddTokens(pieces);
        Add("model", pieces ? "llama" : "gpt2");
        Add("pre", pieces ? "default" : PreTokenizerName.Of(_file));
        Add("tokens", _tokens);
        Add("token_type", Array.ConvertAll(_kinds, kind => (int)kind));
        if (pieces)
        {
            Add("scores", Scores(model["merges"]));
            Add("add_space_prefix", AddsSpace());
        }
        else
        {
            Add("merges", Merges(model["merges"]).Select(merge => $"{merge.Left} {merge.Right}").ToArray());
        }
    }

    /// <summary>Fills in every row of the embedding; rows that no token has become unused tokens.</summary>
    private void AddTokens(bool pieces)
    {
        for (var id = 0; id < _tokens.Length; id++)
        {
            var token = _definition.Vocabulary[id];
            _tokens[id] = token ?? $"[PAD{id}]";
            _kinds[id] = token is null ? TokenKind.Unused : pieces && IsByte(token) ? TokenKind.Byte : TokenKind.Normal;
        }
        foreach (var added in _definition.AddedTokens.Where(token => token.Id < _tokens.Length))
        {
            // A text is searched for these before its spaces are rewritten.
            _tokens[added.Id] = pieces && !added.IsSpecial ? added.Content.Replace(Space, " ", StringComparison.Ordinal) : added.Content;
            _kinds[added.Id] = added.IsSpecial ? TokenKind.Control : TokenKind.UserDefined;
        }
        if (pieces && IdOf(_tokenizer.UnknownToken) is { } unknown) _kinds[unknown] = TokenKind.Unknown;
    }

    /// <summary>A byte token of SentencePiece: &lt;0x0A&gt;.</summary>
    private static bool IsByte(string token) =>
        token is ['<', '0', 'x', var high, var low, '>'] && char.IsAsciiHexDigit(high) && char.IsAsciiHexDigit(low);

    /// <summary>Returns the merges in the order of their ranks.</summary>
    private static IEnumerable<(string Left, string Right)> Merges(JsonPlace merges)
    {
        foreach (var merge in merges.Items())
        {
            if (merge.Value.ValueKind == System.Text.Json.JsonValueKind.String)
            {
                var line = merge.String();
                if (line.StartsWith("#version", StringComparison.Ordinal)) continue;
                var space = line.IndexOf(' ', StringComparison.Ordinal);
                yield return (line[..space], line[(space + 1)..]);
            }
            else
            {
                var pair = merge.Items().Select(token => token.String()).ToArray();
                yield return (pair[0], pair[1]);
            }
        }
    }

    /// <summary>
    /// Returns a score per token: minus the rank of the first merge that makes it, so that SentencePiece's rule, the highest score first, joins
    /// pieces in the order of the merges. Tokens that no merge makes come last.
    /// </summary>
    private float[] Scores(JsonPlace merges)
    {
        var scores = new float[_tokens.Length];
        Array.Fill(scores, float.NaN);
        var rank = 0;
        foreach (var (left, right) in Merges(merges))
        {
            var whole = _definition.Vocabulary[left + right];
            if ((uint)whole < (uint)scores.Length && float.IsNaN(scores[whole])) scores[whole] = -rank;
            rank++;
        }
        for (var id = 0; id < scores.Length; id++)
        {
            if (!float.IsNaN(scores[id])) continue;
            RequireUnmade(id, merges);
            scores[id] = -(rank + id);
        }
        return scores;
    }

    /// <summary>SentencePiece joins any two tokens into a third: one that no merge makes must not be such a third.</summary>
    private void RequireUnmade(int id, JsonPlace merges)
    {
        if (_kinds[id] is not (TokenKind.Normal or TokenKind.UserDefined) || _definition.Vocabulary[id] is not { } token) return;
        for (var cut = 1; cut < token.Length; cut++)
        {
            if (_definition.Vocabulary[token.AsSpan(0, cut)] < 0 || _definition.Vocabulary[token.AsSpan(cut)] < 0) continue;
            throw new NlftException($"{merges.Subject}, as GGUF", $"no merge that makes \"{token}\", token {id}",
                "a merge for every token that two tokens make, as llama.cpp joins them", Other);
        }
    }

    /// <summary>
    /// Whether a space stands before every text between special tokens, as the normalizer Prepend puts it there. Spaces become U+2581, and a
    /// text is not split.
    /// </summary>
    private bool AddsSpace()
    {
        var (normalizer, splitter) = (_file["normalizer"], _file["pre_tokenizer"]);
        var steps = normalizer.IsNull ? []
            : TokenizerSteps.Type(normalizer) == "Sequence" ? normalizer["normalizers"].Items().ToArray() : [normalizer];
        var prepends = steps.Length > 0 && TokenizerSteps.Type(steps[0]) == "Prepend" && steps[0]["prepend"].String() == Space;
        var rest = prepends ? steps[1..] : steps;
        if (rest is [var replace] && IsSpaceReplaced(replace) && (splitter.IsNull || IsSplitAtSpaces(splitter))) return prepends;
        if (steps.Length == 0 && !splitter.IsNull && IsMetaspace(splitter)) return splitter["prepend_scheme"].String() == "always";
        throw Refuse(steps.Length > 0 ? normalizer : splitter,
            $"the steps of SentencePiece: Prepend and Replace of spaces by {Space}, or Metaspace with a prepend_scheme and split false");
    }

    private static bool IsSpaceReplaced(JsonPlace step) => TokenizerSteps.Type(step) == "Replace"
        && step["pattern"]["String"].StringOrNull() == " " && step["content"].String() == Space;

    /// <summary>Gemma's splitter, which finds no space any more.</summary>
    private static bool IsSplitAtSpaces(JsonPlace step) =>
        TokenizerSteps.Type(step) == "Split" && step["pattern"]["String"].StringOrNull() == " ";

    private static bool IsMetaspace(JsonPlace step) => TokenizerSteps.Type(step) == "Metaspace" && step["replacement"].String() == Space
        && !step["prepend_scheme"].IsNull && !step["split"].Boolean(true);

    private void AddSpecialTokens(IReadOnlyList<int> ends)
    {
        var named = IdOf(_tokenizer.EndOfSequenceToken);
        int[] all = [.. ends.Distinct().OrderBy(end => end != named)];
        if (all.Length == 0 && named is { } only) all = [only];
        if (all.Length == 0)
        {
            throw new NlftException($"{_file.Source.Subject("")}, as GGUF", "no token that ends a sequence", "eos_token_id in generation_config.json",
                "Name the token: llama.cpp takes token 11 where a file says nothing.");
        }
        foreach (var (role, end) in new[] { "eos", "eot", "eom" }.Zip(all)) AddId(role, end);
        var (before, after) = (_definition.PostProcessing.Before, _definition.PostProcessing.After);
        if (before.Length > 1 || (after.Length > 0 && !after.SequenceEqual([all[0]])))
            throw Refuse(_file["post_processor"], "at most a token before a text and the end-of-sequence token after it");
        AddId("bos", before.Length == 1 ? before[0] : IdOf(_tokenizer.BeginningOfSequenceToken) ?? all[0]);
        if (IdOf(_tokenizer.UnknownToken) is { } unknown) AddId("unknown", unknown);
        if (IdOf(_tokenizer.PaddingToken) is { } padding) AddId("padding", padding);
        Add("add_bos_token", before.Length == 1);
        Add("add_eos_token", after.Length == 1);
    }

    private int? IdOf(string? token) => token is not null && _tokenizer.TokenToId(token) is { } id && id < _tokens.Length ? id : null;

    private void AddId(string role, int id) => Add($"{role}_token_id", (uint)id);

    private void Add(string key, object value) => _keys.Add((Prefix + key, value));

    private static NlftException Refuse(JsonPlace place, string expected) =>
        new($"{place.Subject}, as GGUF", place.Found, $"{expected}, which llama.cpp has", Other);
}
