using System.Globalization;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text;

namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>
/// Normalizes to NFC, NFD, NFKC or NFKD (Unicode Standard Annex 15) and tracks the origin of each character. The
/// <see cref="string.Normalize()"/> of .NET tracks no origins, follows another version of Unicode and does nothing in invariant globalization mode.
/// </summary>
internal sealed class UnicodeNormalizer(bool compose, bool compatibility) : INormalizer
{
    private const string Resource = "Microsoft.ML.Nlft.Tokenization.UnicodeDecompositions.txt.gz";
    private const int FirstNotComposed = 0x300, FirstDecomposed = 0xA0;
    private const int HangulBase = 0xAC00, LeadBase = 0x1100, VowelBase = 0x1161, TailBase = 0x11A7;
    private const int LeadCount = 19, VowelCount = 21, TailCount = 28, HangulCount = LeadCount * VowelCount * TailCount;

    private static readonly Lazy<Tables> Data = new(Tables.Read);

    /// <summary>Opens the table of decompositions, which the build compresses (CompressedResource.targets).</summary>
    internal static Stream OpenTable() =>
        new GZipStream(typeof(UnicodeNormalizer).Assembly.GetManifestResourceStream(Resource)!, CompressionMode.Decompress);

    public Fragment Normalize(Fragment fragment)
    {
        var firstAffected = compose && !compatibility ? FirstNotComposed : 0x80;
        if (fragment.Text.AsSpan().IndexOfAnyExceptInRange('\0', (char)(firstAffected - 1)) < 0) return fragment;

        var characters = Decompose(fragment);
        Order(characters);
        if (compose) Compose(characters);

        var text = new Fragment.Builder(fragment, characters.Count);
        foreach (var character in characters) text.Append(new Rune(character.Code), character.Start, character.End);

        return text.Build();
    }

    private List<Character> Decompose(Fragment fragment)
    {
        var count = 0;
        foreach (var rune in fragment.Text.EnumerateRunes()) count += PartsOf(rune.Value) is { } parts ? parts.Length : 1;
        fragment.Budget.Require(fragment.Text.Length, compose ? fragment.Text.Length : count); // what is composed again is counted then

        var characters = new List<Character>(count);
        for (var i = 0; i < fragment.Text.Length;)
        {
            var rune = fragment.RuneAt(i);
            var next = i + rune.Utf16SequenceLength;
            var (start, end) = (fragment.StartOf(i), fragment.EndOf(next - 1));
            if (PartsOf(rune.Value) is not { } parts) characters.Add(new Character(rune.Value, Data.Value.ClassOf(rune.Value), start, end));
            else foreach (var part in parts) characters.Add(new Character(part.Code, part.Class, start, end));
            i = next;
        }

        return characters;
    }

    /// <summary>Returns the whole decomposition of a character; null: it has none.</summary>
    private Part[]? PartsOf(int code) => code < FirstDecomposed ? null
        : code is >= HangulBase and < HangulBase + HangulCount ? Syllable(code)
        : (compatibility ? Data.Value.Compatibility : Data.Value.Canonical).GetValueOrDefault(code);

    private static Part[] Syllable(int code)
    {
        var (index, tail) = Math.DivRem(code - HangulBase, TailCount);
        var (lead, vowel) = (new Part(LeadBase + (index / VowelCount), 0), new Part(VowelBase + (index % VowelCount), 0));
        return tail > 0 ? [lead, vowel, new Part(TailBase + tail, 0)] : [lead, vowel];
    }

    /// <summary>
    /// Applies canonical ordering: sorts the marks between two starters by combining class, stably. Origins stay in their order, as in Hugging Face.
    /// </summary>
    private static void Order(List<Character> characters)
    {
        for (var i = 0; i < characters.Count; i++)
        {
            var start = i;
            while (i < characters.Count && characters[i].Class != 0) i++;

            if (i - start > 1)
            {
                var marks = characters.GetRange(start, i - start);
                foreach (var (index, mark) in marks.OrderBy(mark => mark.Class).Index())
                {
                    characters[start + index] = mark with { Start = marks[index].Start, End = marks[index].End };
                }
            }
        }
    }

    /// <summary>Applies canonical composition: each character joins the last starter unless a mark of its class or above is in between.</summary>
    private static void Compose(List<Character> characters)
    {
        var (starter, written) = (-1, 0);
        foreach (var character in CollectionsMarshal.AsSpan(characters).ToArray())
        {
            var blocked = starter >= 0 && starter < written - 1
                && (characters[written - 1].Class == 0 || characters[written - 1].Class >= character.Class);
            if (starter >= 0 && !blocked && Composed(characters[starter].Code, character.Code) is { } code)
            {
                characters[starter] = characters[starter] with { Code = code, Class = 0 }; // with the origin of the first, as in Hugging Face
                continue;
            }

            if (character.Class == 0) starter = written;

            characters[written++] = character;
        }

        characters.RemoveRange(written, characters.Count - written);
    }

    private static int? Composed(int first, int second)
    {
        if (first is >= LeadBase and < LeadBase + LeadCount && second is >= VowelBase and < VowelBase + VowelCount)
        {
            return HangulBase + ((((first - LeadBase) * VowelCount) + second - VowelBase) * TailCount);
        }

        if (first is >= HangulBase and < HangulBase + HangulCount && (first - HangulBase) % TailCount == 0
            && second is > TailBase and < TailBase + TailCount)
        {
            return first + second - TailBase;
        }

        return Data.Value.Compositions.TryGetValue((first, second), out var composed) ? composed : null;
    }

    /// <summary>A character of a decomposition and its combining class.</summary>
    private readonly record struct Part(int Code, byte Class);

    private readonly record struct Character(int Code, byte Class, int Start, int End);

    private sealed class Tables
    {
        private readonly Dictionary<int, int[]> _canonical = [], _compatibility = [];
        private readonly Dictionary<int, byte> _classes = [];

        /// <summary>The whole canonical decompositions.</summary>
        public Dictionary<int, Part[]> Canonical { get; } = [];

        /// <summary>The whole decompositions, canonical and compatible.</summary>
        public Dictionary<int, Part[]> Compatibility { get; } = [];

        public Dictionary<(int First, int Second), int> Compositions { get; } = [];

        public byte ClassOf(int code) => _classes.GetValueOrDefault(code);

        public static Tables Read()
        {
            var tables = new Tables();
            using var reader = new StreamReader(OpenTable());
            while (reader.ReadLine() is { } line)
            {
                if (!line.StartsWith('#')) tables.Add(line, line.AsSpan().IndexOfAny("=!~:"));
            }

            foreach (var code in tables._canonical.Keys) tables.Canonical[code] = [.. tables.Whole(code, compatibility: false)];
            foreach (var code in tables._canonical.Keys.Concat(tables._compatibility.Keys))
                tables.Compatibility[code] = [.. tables.Whole(code, compatibility: true)];

            return tables;
        }

        private IEnumerable<Part> Whole(int code, bool compatibility) =>
            _canonical.TryGetValue(code, out var parts) || (compatibility && _compatibility.TryGetValue(code, out parts))
                ? parts.SelectMany(part => Whole(part, compatibility)) : [new Part(code, ClassOf(code))];

        private void Add(string line, int mark)
        {
            var (left, right) = (line[..mark], line[(mark + 1)..]);
            if (line[mark] == ':')
            {
                var range = left.Split('-');
                for (var code = Hex(range[0]); code <= Hex(range[^1]); code++) _classes[code] = byte.Parse(right, CultureInfo.InvariantCulture);

                return;
            }

            var parts = Array.ConvertAll(right.Split(' '), Hex);
            (line[mark] == '~' ? _compatibility : _canonical).Add(Hex(left), parts);
            if (line[mark] == '=') Compositions.Add((parts[0], parts[1]), Hex(left));
        }

        private static int Hex(string text) => int.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }
}
