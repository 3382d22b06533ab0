using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>Reads the normalizer, pre_tokenizer, post_processor and decoder of a tokenizer.json.</summary>
internal static class TokenizerSteps
{
    private const int MaximumNesting = 8;
    private const string OtherTokenizer = "Use a model whose tokenizer keeps to these.";

    public static INormalizer Normalizer(JsonPlace place, int depth = 0) => Type(place) switch
    {
        "NFC" => new UnicodeNormalizer(compose: true, compatibility: false),
        "NFD" => new UnicodeNormalizer(compose: false, compatibility: false),
        "NFKC" => new UnicodeNormalizer(compose: true, compatibility: true),
        "NFKD" => new UnicodeNormalizer(compose: false, compatibility: true),
        "Prepend" => new PrependNormalizer(place["prepend"].String()),
        "Replace" => new ReplaceNormalizer(Pattern(place["pattern"]), place["content"].String()),
        "Lowercase" => new LowercaseNormalizer(),
        "Strip" => new StripNormalizer(place["strip_left"].Boolean(true), place["strip_right"].Boolean(true)),
        "Sequence" => new SequenceNormalizer(Sequence(place, "normalizers", depth, Normalizer)),
        _ => throw Unknown(place, "NFC, NFD, NFKC, NFKD, Prepend, Replace, Lowercase, Strip, Sequence"),
    };

    public static IPreTokenizer PreTokenizer(JsonPlace place, int depth = 0) => Type(place) switch
    {
        "ByteLevel" => new ByteLevelPreTokenizer(place["add_prefix_space"].Boolean(true), place["use_regex"].Boolean(true)),
        "Split" => Cut(Pattern(place["pattern"]), place["behavior"].OneOf<SplitBehavior>(), place["invert"].Boolean(false)),
        "Digits" => Cut(
            new RuneMatcher(RuneClass.IsNumber), place["individual_digits"].Boolean(false) ? SplitBehavior.Isolated : SplitBehavior.Contiguous),
        "Punctuation" => Cut(
            new RuneMatcher(RuneClass.IsPunctuation),
            place["behavior"] is { IsNull: false } behavior ? behavior.OneOf<SplitBehavior>() : SplitBehavior.Isolated),
        "Whitespace" => Cut(new WordOrSymbolMatcher(), SplitBehavior.Removed, invert: true),
        "WhitespaceSplit" => Cut(new RuneMatcher(RuneClass.IsSpace), SplitBehavior.Removed),
        "Metaspace" => new MetaspacePreTokenizer(Mark(place), Scheme(place), place["split"].Boolean(true)),
        "Sequence" => new SequencePreTokenizer(Sequence(place, "pretokenizers", depth, PreTokenizer)),
        _ => throw Unknown(place, "ByteLevel, Split, Digits, Punctuation, Whitespace, WhitespaceSplit, Metaspace, Sequence"),
    };

    public static PostProcessing PostProcessor(JsonPlace place, int depth = 0) => Type(place) switch
    {
        // ByteLevel changes offsets only, never ids.
        "ByteLevel" => PostProcessing.None,
        "TemplateProcessing" => Template(place),
        "Sequence" => Sequence(place, "processors", depth, PostProcessor).Where(step => step != PostProcessing.None).ToArray() is var steps
            && steps.Length < 2
            ? steps.SingleOrDefault(PostProcessing.None)
            : throw new NlftException(place.Subject, $"{steps.Length} TemplateProcessing", "at most one", OtherTokenizer),
        _ => throw Unknown(place, "ByteLevel, TemplateProcessing, Sequence"),
    };

    public static Func<IReadOnlyList<DecodingStage>> Decoder(JsonPlace place) => Decoder(place, 0);

    private static Func<IReadOnlyList<DecodingStage>> Decoder(JsonPlace place, int depth)
    {
        switch (Type(place))
        {
            case "ByteLevel":
                return () => [new ByteLevelStage()];
            case "ByteFallback":
                return () => [new ByteFallbackStage()];
            case "Fuse":
                return () => [new FuseStage()];
            case "Replace":
                var (matcher, replacement) = (Pattern(place["pattern"]), place["content"].String());
                return () => [new ReplaceStage(matcher, replacement)];
            case "Strip":
                var (content, start, stop) = (Character(place["content"]), place["start"].Index(), place["stop"].Index());
                return () => [new StripStage(content, start, stop)];
            case "Metaspace":
                var (mark, scheme) = (Mark(place), Scheme(place));
                return () => [new MetaspaceStage(mark, scheme)];
            case "Sequence":
                var steps = Sequence(place, "decoders", depth, Decoder);
                return () => [.. steps.SelectMany(step => step())];
            default:
                throw Unknown(place, "ByteLevel, ByteFallback, Fuse, Replace, Strip, Metaspace, Sequence");
        }
    }

    private static string Type(JsonPlace place)
    {
        place.RequireObject();
        return place["type"].String();
    }

    private static NlftException Unknown(JsonPlace place, string known) => place["type"].Refuse($"one of {known}", OtherTokenizer);

    private static List<T> Sequence<T>(JsonPlace place, string key, int depth, Func<JsonPlace, int, T> read) =>
        depth < MaximumNesting
            ? [.. place[key].Items().Select(item => read(item, depth + 1))]
            : throw new NlftException(
                place.Subject, $"a Sequence in {depth} others", $"at most {MaximumNesting}", "Write the steps into one Sequence.");

    private static SplitPreTokenizer Cut(IMatcher matcher, SplitBehavior behavior, bool invert = false) =>
        new(new Splitter(matcher, behavior, invert));

    private static IMatcher Pattern(JsonPlace place)
    {
        place.RequireObject();
        if (place["Regex"] is { IsNull: false } regex)
        {
            return WordMatcher.ForPattern(regex.String()) as IMatcher ?? RegexMatcher.Compile(regex);
        }

        var literal = place["String"];
        if (literal.IsNull) throw place.Refuse("an object with \"String\" or \"Regex\"");
        return literal.String() is { Length: > 0 } text ? new LiteralMatcher(text) : throw literal.Refuse("a text that is not empty");
    }

    private static char Mark(JsonPlace place) => Character(place["replacement"]);

    private static char Character(JsonPlace place) =>
        place.String() is { Length: 1 } text ? text[0] : throw place.Refuse("one character up to U+FFFF");

    private static PrependScheme Scheme(JsonPlace place)
    {
        var given = place["prepend_scheme"];
        var scheme = given.IsNull ? (PrependScheme?)null : given.String() switch
        {
            "always" => PrependScheme.Always,
            "never" => PrependScheme.Never,
            "first" => PrependScheme.First,
            _ => throw given.Refuse("one of always, never, first"),
        };
        // Older files have only the flag.
        return scheme ?? (place["add_prefix_space"].Boolean(true) ? PrependScheme.Always : PrependScheme.Never);
    }

    private static PostProcessing Template(JsonPlace place)
    {
        var (before, after) = (new List<int>(), new List<int>());
        var current = before;
        var known = place["special_tokens"] is { IsNull: false } tokens ? tokens.Members(StringComparer.Ordinal) : [];
        foreach (var piece in place["single"].Items())
        {
            piece.RequireObject();
            if (piece["SpecialToken"] is { IsNull: false } special)
            {
                var name = special["id"].String();
                var token = known.GetValueOrDefault(name);
                current.AddRange(token.IsNull ? throw special["id"].Refuse("a token of special_tokens beside it")
                    : token["ids"].Items().Select(id => id.Index()));
            }
            else if (piece["Sequence"]["id"].String() == "A" && current == before)
            {
                current = after;
            }
            else
            {
                throw piece["Sequence"]["id"].Refuse("\"A\" once: the text of a single sequence");
            }
        }

        return current == after
            ? new PostProcessing([.. before], [.. after])
            : throw new NlftException(place["single"].Subject, "no Sequence", "the Sequence \"A\" once", "Correct the file, or download it again.");
    }
}
