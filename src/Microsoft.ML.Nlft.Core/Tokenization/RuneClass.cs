using System.Globalization;
using System.Text;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>Classifies Unicode characters as Hugging Face tokenizers do.</summary>
internal static class RuneClass
{
    /// <summary>Tests for <c>\p{L}</c>.</summary>
    public static bool IsLetter(Rune rune) => Rune.GetUnicodeCategory(rune) <= UnicodeCategory.OtherLetter;

    /// <summary>Tests as Rust's <c>char::is_numeric</c>, by which Digits splits.</summary>
    public static bool IsNumeric(Rune rune) => IsNumber(rune) || NewerCharacters.IsNumber(rune.Value);

    /// <summary>Tests for <c>\p{N}</c>: Nd, Nl and No.</summary>
    public static bool IsNumber(Rune rune) =>
        rune.IsAscii
            ? rune.Value is >= '0' and <= '9'
            : Rune.GetUnicodeCategory(rune) is UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber;

    /// <summary>Tests for <c>\s</c>: the White_Space property.</summary>
    public static bool IsSpace(Rune rune) => Rune.IsWhiteSpace(rune);

    /// <summary>
    /// Tests for punctuation: all ASCII symbols, <c>$</c> and <c>+</c> included, and <c>\p{P}</c> of Unicode 8.0, the version that Hugging Face
    /// splits by.
    /// </summary>
    public static bool IsPunctuation(Rune rune)
    {
        if (rune.IsAscii) return !char.IsAsciiLetterOrDigit((char)rune.Value) && rune.Value is > ' ' and < 0x7F;

        var isPunctuationNow = Rune.GetUnicodeCategory(rune) is >= UnicodeCategory.ConnectorPunctuation and <= UnicodeCategory.OtherPunctuation;
        return isPunctuationNow ? !IsNewPunctuation(rune.Value) : rune.Value is 0x166D or 0x111C9;
    }

    /// <summary>
    /// Tests for <c>\w</c> of Rust's regex crate (UTS 18, annex C): Alphabetic, marks, decimal digits, connector punctuation and join controls.
    /// Apart from letters, marks and letter numbers, Alphabetic contains only the circled and squared Latin letters.
    /// </summary>
    public static bool IsWord(Rune rune) =>
        rune.IsAscii
            ? char.IsAsciiLetterOrDigit((char)rune.Value) || rune.Value == '_'
            : Rune.GetUnicodeCategory(rune) is <= UnicodeCategory.LetterNumber or UnicodeCategory.ConnectorPunctuation
                || rune.Value is (>= 0x24B6 and <= 0x24E9) or (>= 0x1F130 and <= 0x1F149) or (>= 0x1F150 and <= 0x1F169)
                    or (>= 0x1F170 and <= 0x1F189) or 0x200C or 0x200D;

    /// <summary>Tests whether a character became punctuation after Unicode 8.0.</summary>
    private static bool IsNewPunctuation(int code) => code is
        0x61D or 0x9FD or 0xA76 or 0xC77 or 0xC84 or (>= 0x1B4E and <= 0x1B4F) or (>= 0x1B7D and <= 0x1B7F) or (>= 0x2E43 and <= 0x2E5D)
        or 0x10D6E or 0x10EAD or (>= 0x10F55 and <= 0x10F89) or (>= 0x113D4 and <= 0x113D8) or (>= 0x1144B and <= 0x1145D)
        or (>= 0x11660 and <= 0x1166C) or 0x116B9 or 0x1183B or (>= 0x11944 and <= 0x11946) or 0x119E2 or (>= 0x11A3F and <= 0x11A46)
        or (>= 0x11A9A and <= 0x11AA2) or (>= 0x11B00 and <= 0x11B09) or 0x11BE1 or (>= 0x11C41 and <= 0x11C71) or (>= 0x11EF7 and <= 0x11EF8)
        or (>= 0x11F43 and <= 0x11F4F) or 0x11FFF or (>= 0x12FF1 and <= 0x12FF2) or (>= 0x16D6D and <= 0x16D6F) or (>= 0x16E97 and <= 0x16E9A)
        or 0x16FE2 or 0x1E5FF or (>= 0x1E95E and <= 0x1E95F);
}
