using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>Reads the normalizer, pre_tokenizer and decoder of a tokenizer.json.</summary>
internal static class TokenizerSteps
{
    private const string OtherTokenizer = "Use a model whose tokenizer keeps to these.";

    public static INormalizer Normalizer(JsonPlace place, StepLimit? limit = null) => Type(place) switch
    {
        "NFC" => new UnicodeNormalizer(compose: true, compatibility: false),
        "NFD" => new UnicodeNormalizer(compose: false, compatibility: false),
        "NFKC" => new UnicodeNormalizer(compose: true, compatibility: true),
        "NFKD" => new UnicodeNormalizer(compose: false, compatibility: true),
        "Prepend" => new PrependNormalizer(place["prepend"].String()),
        "Replace" => new ReplaceNormalizer(Pattern(place["pattern"]), place["content"].String()),
        "Lowercase" => new RuneNormalizer(CharacterRules.Lowercase),
        "StripAccents" => new RuneNormalizer(CharacterRules.StripAccents),
        "Nmt" => new RuneNormalizer(CharacterRules.Nmt),
        "Precompiled" => PrecompiledNormalizer.Read(place["precompiled_charsmap"]),
        "BertNormalizer" => Bert(place),
        "Strip" => new StripNormalizer(place["strip_left"].Boolean(true), place["strip_right"].Boolean(true)),
        "Sequence" => new SequenceNormalizer(StepLimit.Or(limit).Sequence(place, "normalizers", Normalizer)),
        _ => throw Unknown(
            place, "NFC, NFD, NFKC, NFKD, Prepend, Replace, Lowercase, Strip, StripAccents, Nmt, Precompiled, BertNormalizer, Sequence"),
    };

    public static IPreTokenizer PreTokenizer(JsonPlace place, StepLimit? limit = null) => Type(place) switch
    {
        "ByteLevel" => new ByteLevelPreTokenizer(place["add_prefix_space"].Boolean(true), place["use_regex"].Boolean(true)),
        "Split" => Cut(Pattern(place["pattern"]), place["behavior"].OneOf<SplitBehavior>(), place["invert"].Boolean(false)),
        "Digits" => Cut(
            new RuneMatcher(RuneClass.IsNumeric), place["individual_digits"].Boolean(false) ? SplitBehavior.Isolated : SplitBehavior.Contiguous),
        "Punctuation" => Cut(
            new RuneMatcher(RuneClass.IsPunctuation),
            place["behavior"] is { IsNull: false } behavior ? behavior.OneOf<SplitBehavior>() : SplitBehavior.Isolated),
        "Whitespace" => Cut(new WordOrSymbolMatcher(), SplitBehavior.Removed, invert: true),
        "WhitespaceSplit" => Cut(new RuneMatcher(RuneClass.IsSpace), SplitBehavior.Removed),
        "BertPreTokenizer" => new SequencePreTokenizer([
            Cut(new RuneMatcher(RuneClass.IsSpace), SplitBehavior.Removed), Cut(new RuneMatcher(RuneClass.IsPunctuation), SplitBehavior.Isolated)]),
        "CharDelimiterSplit" => Cut(new LiteralMatcher(Character(place["delimiter"]).ToString()), SplitBehavior.Removed),
        "Metaspace" => new MetaspacePreTokenizer(Mark(place), Scheme(place), place["split"].Boolean(true)),
        "Sequence" => new SequencePreTokenizer(StepLimit.Or(limit).Sequence(place, "pretokenizers", PreTokenizer)),
        _ => throw Unknown(
            place, "ByteLevel, Split, Digits, Punctuation, Whitespace, WhitespaceSplit, BertPreTokenizer, CharDelimiterSplit, Metaspace, Sequence"),
    };

    public static Func<IReadOnlyList<DecodingStage>> Decoder(JsonPlace place) => Decoder(place, new());

    private static Func<IReadOnlyList<DecodingStage>> Decoder(JsonPlace place, StepLimit limit)
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
            case "BPEDecoder":
                var suffix = place["suffix"].StringOrNull() is "" ? throw place["suffix"].Refuse("a text that is not empty")
                    : place["suffix"].StringOrNull() ?? "</w>";
                return () => [new WordSuffixStage(suffix)];
            case "WordPiece":
                var (prefix, cleansUp) = (place["prefix"].StringOrNull() ?? "##", place["cleanup"].Boolean(true));
                return () => [new WordPieceStage(prefix, cleansUp)];
            case "Sequence":
                var steps = limit.Sequence(place, "decoders", Decoder);
                return () => [.. steps.SelectMany(step => step())];
            default:
                throw Unknown(place, "ByteLevel, ByteFallback, Fuse, Replace, Strip, Metaspace, BPEDecoder, WordPiece, Sequence");
        }
    }

    /// <summary>Returns the type of a step.</summary>
    public static string Type(JsonPlace place)
    {
        place.RequireObject();
        return place["type"].String();
    }

    /// <summary>Creates the exception for a step of another type.</summary>
    public static NlftException Unknown(JsonPlace place, string known) => place["type"].Refuse($"one of {known}", OtherTokenizer);

    private static SequenceNormalizer Bert(JsonPlace place)
    {
        var lowers = place["lowercase"].Boolean(true);
        var steps = new List<INormalizer>();
        if (place["clean_text"].Boolean(true)) steps.Add(new RuneNormalizer(CharacterRules.BertClean));
        if (place["handle_chinese_chars"].Boolean(true)) steps.Add(new RuneNormalizer(CharacterRules.BertSpaceIdeographs));
        if (place["strip_accents"].BooleanOrNull() ?? lowers)
        {
            steps.Add(new UnicodeNormalizer(compose: false, compatibility: false));
            steps.Add(new RuneNormalizer(CharacterRules.BertStripAccents));
        }

        if (lowers) steps.Add(new RuneNormalizer(CharacterRules.Lowercase));
        return new SequenceNormalizer(steps);
    }

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
}
