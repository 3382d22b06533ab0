using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Export;

/// <summary>
/// Finds the name under which llama.cpp knows the way a byte-level tokenizer splits texts (tokenizer.ggml.pre), by comparing the steps of
/// tokenizer.json with those that each name stands for. llama.cpp composes no characters (NFC), so a tokenizer that does has the same name as one
/// that does not.
/// </summary>
internal sealed class PreTokenizerName
{
    private const string Preferred = "llama-bpe"; // the name that llama.cpp's converter writes

    private readonly List<string> _patterns = [];
    private bool _splitsDigits, _isByteLevel;

    /// <summary>Returns the name.</summary>
    /// <param name="file">tokenizer.json.</param>
    /// <exception cref="NlftException">No name stands for these steps; the message lists those that are known.</exception>
    public static string Of(JsonPlace file)
    {
        var (normalizer, splitter, ignoresMerges) = (file["normalizer"], file["pre_tokenizer"], file["model"]["ignore_merges"].Boolean(false));
        var composes = !normalizer.IsNull && !IsEmpty(normalizer);
        if (composes && TokenizerSteps.Type(normalizer) != "NFC") throw Refuse(normalizer, "NFC or none");
        var steps = new PreTokenizerName();
        if (splitter.IsNull || !steps.Add(splitter) || !steps._isByteLevel) throw Refuse(splitter, Known());
        var known = GgufPreTokenizer.All.Where(known => known.SplitsDigits == steps._splitsDigits && known.IgnoresMerges == ignoresMerges
            && known.Patterns.SequenceEqual(steps._patterns)).OrderBy(known => known.Composes != composes).FirstOrDefault();
        return known is null ? throw Refuse(splitter, Known()) : known.Names.Contains(Preferred) ? Preferred : known.Names[0];
    }

    private static bool IsEmpty(JsonPlace step) => TokenizerSteps.Type(step) == "Sequence" && !step["normalizers"].Items().Any();

    private static string Known() => $"the steps of {string.Join(", ", GgufPreTokenizer.All.Select(known => known.Names[0]))}";

    /// <summary>Adds a step; returns false if no name can stand for it.</summary>
    private bool Add(JsonPlace step)
    {
        if (_isByteLevel) return false; // it would see the byte alphabet
        switch (TokenizerSteps.Type(step))
        {
            case "Sequence":
                return step["pretokenizers"].Items().All(Add);
            case "Digits" when step["individual_digits"].Boolean(false) && _patterns.Count == 0:
                return _splitsDigits = true;
            case "Digits":
                _patterns.Add(step["individual_digits"].Boolean(false) ? @"\p{N}" : @"\p{N}+");
                return true;
            case "Split" when step["behavior"].OneOf<SplitBehavior>() == SplitBehavior.Isolated && !step["invert"].Boolean(false)
                && step["pattern"]["Regex"].StringOrNull() is { } pattern:
                _patterns.Add(pattern);
                return true;
            case "ByteLevel" when !step["add_prefix_space"].Boolean(true):
                if (step["use_regex"].Boolean(true)) _patterns.Add(GgufPreTokenizer.Gpt2);
                return _isByteLevel = true;
            default:
                return false;
        }
    }

    private static NlftException Refuse(JsonPlace place, string expected) => new($"{place.Subject}, as GGUF", place.Found,
        $"{expected}, which llama.cpp knows", "Write a merged folder with 'nlft merge' and use a program that reads folders.");
}
