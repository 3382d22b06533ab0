using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>What the post-processor does with the tokens of a text.</summary>
/// <param name="Before">Ids that it puts before them.</param>
/// <param name="After">Ids that it puts after them.</param>
/// <param name="Trim">How it leaves spaces out of offsets; null: not at all.</param>
internal sealed record PostProcessing(int[] Before, int[] After, OffsetTrimming? Trim = null)
{
    public static PostProcessing None { get; } = new([], []);

    /// <summary>Returns this step followed by another.</summary>
    public PostProcessing Then(PostProcessing next) => new([.. next.Before, .. Before], [.. After, .. next.After], next.Trim ?? Trim);
}

/// <summary>Reads the post_processor of a tokenizer.json, as it processes a single text.</summary>
internal static class PostProcessorJson
{
    /// <summary>The most special tokens around a text. A file can repeat a list of ids in every piece, and every step in a Sequence.</summary>
    private const int MostIds = 1024;

    public static PostProcessing Read(JsonPlace place, StepLimit? limit = null) => TokenizerSteps.Type(place) switch
    {
        "ByteLevel" => PostProcessing.None with { Trim = Trimming(place) },
        "TemplateProcessing" => Template(place),
        "BertProcessing" => new([Id(place["cls"])], [Id(place["sep"])]),
        "RobertaProcessing" => new([Id(place["cls"])], [Id(place["sep"])], Trimming(place)),
        "Sequence" => StepLimit.Or(limit).Sequence(place, "processors", Read).Aggregate(PostProcessing.None, (all, step) =>
            all.Before.Length + all.After.Length + step.Before.Length + step.After.Length > MostIds ? throw TooMany(place) : all.Then(step)),
        _ => throw TokenizerSteps.Unknown(place, "ByteLevel, TemplateProcessing, BertProcessing, RobertaProcessing, Sequence"),
    };

    private static OffsetTrimming? Trimming(JsonPlace place) =>
        place["trim_offsets"].Boolean(true) ? new OffsetTrimming(place["add_prefix_space"].Boolean(true)) : null;

    private static int Id(JsonPlace place) =>
        place.Items().ToArray() is [_, var id] ? id.Index() : throw place.Refuse("a token and its id: [\"token\", 1]");

    private static NlftException TooMany(JsonPlace place) => new(place.Subject, $"more than {MostIds} special tokens around a text",
        $"at most {MostIds}", place.Source.FileRemedy);

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
                if (token.IsNull) throw special["id"].Refuse("a token of special_tokens beside it");
                foreach (var id in token["ids"].Items())
                {
                    if (before.Count + after.Count == MostIds) throw TooMany(place);
                    current.Add(id.Index());
                }
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
            : throw new NlftException(place["single"].Subject, "no Sequence", "the Sequence \"A\" once", place.Source.FileRemedy);
    }
}
