using System.Globalization;
using System.Text;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>The normalizers that rewrite single characters, as functions for <see cref="RuneNormalizer"/>.</summary>
internal static class CharacterRules
{
    private const int CapitalDottedI = 0x130;

    /// <summary>Implements Lowercase. The capital I with a dot is the only character that becomes two; .NET leaves it unchanged.</summary>
    public static string? Lowercase(Rune rune)
    {
        if (rune.Value == CapitalDottedI) return "i\u0307";

        var lower = NewerCharacters.Lowercase(rune.Value) is var code and > 0 ? new Rune(code) : Rune.ToLowerInvariant(rune);
        return lower != rune ? lower.ToString() : null;
    }

    /// <summary>Implements StripAccents: removes combining marks, and two characters that were marks once.</summary>
    public static string? StripAccents(Rune rune) =>
        rune.Value is 0x1CF2 or 0x1CF3
        || (Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark
            && !NewerCharacters.IsMark(rune.Value))
            ? "" : null;

    /// <summary>Implements Nmt, SentencePiece's rules for machine translation: removes controls, makes other blanks spaces.</summary>
    public static string? Nmt(Rune rune) => rune.Value switch
    {
        (>= 0x1 and <= 0x8) or 0xB or (>= 0xE and <= 0x1F) or 0x7F or 0x8F or 0x9F => "",
        0x9 or 0xA or 0xC or 0xD or 0x1680 or (>= 0x200B and <= 0x200F) or 0x2028 or 0x2029 or 0x2581 or 0xFEFF or 0xFFFD => " ",
        _ => null,
    };

    /// <summary>Implements clean_text of BertNormalizer: removes controls, makes all white space spaces.</summary>
    public static string? BertClean(Rune rune) =>
        rune.Value is '\t' or '\n' or '\r' ? " "
        : rune.Value is 0 or 0xFFFD || (IsControl(rune) && !NewerCharacters.IsMarkOrFormat(rune.Value)) ? ""
        : Rune.IsWhiteSpace(rune) ? " " : null;

    /// <summary>Implements handle_chinese_chars of BertNormalizer: puts spaces around each CJK ideograph.</summary>
    public static string? BertSpaceIdeographs(Rune rune) => rune.Value is (>= 0x4E00 and <= 0x9FFF) or (>= 0x3400 and <= 0x4DBF)
        or (>= 0x20000 and <= 0x2A6DF) or (>= 0x2A700 and <= 0x2B73F) or (>= 0x2B740 and <= 0x2B81F) or (>= 0x2B920 and <= 0x2CEAF)
        or (>= 0xF900 and <= 0xFAFF) or (>= 0x2F800 and <= 0x2FA1F)
            ? $" {rune} " : null;

    /// <summary>Implements strip_accents of BertNormalizer, after NFD: removes nonspacing marks, and two characters that were such once.</summary>
    public static string? BertStripAccents(Rune rune) =>
        rune.Value is 0x1734 or 0x1171E
        || (Rune.GetUnicodeCategory(rune) == UnicodeCategory.NonSpacingMark && !NewerCharacters.IsMarkOrFormat(rune.Value))
            ? "" : null;

    private static bool IsControl(Rune rune) =>
        Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.PrivateUse;
}
