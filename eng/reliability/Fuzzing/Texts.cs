using System.Text;

namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>Mutates texts: parts of them are removed or repeated elsewhere, and pieces inserted.</summary>
/// <param name="Encoding">The encoding of the text.</param>
/// <param name="Changes">One more than the most changes of an input.</param>
/// <param name="Part">One more than the longest part that is removed or repeated.</param>
/// <param name="Longest">From this length on, nothing is repeated.</param>
internal sealed record Texts(Encoding Encoding, int Changes, int Part, int Longest)
{
    /// <summary>Makes one change or more.</summary>
    /// <param name="random">Chooses them.</param>
    /// <param name="input">The text.</param>
    /// <param name="piece">Returns a piece to insert, from a number of 1 to 3; for 1 only if the text is too long to repeat a part.</param>
    public byte[] Mutate(Draw random, byte[] input, Func<int, string> piece)
    {
        var text = new StringBuilder(Encoding.GetString(input));
        for (var changes = random.Next(1, Changes); changes > 0; changes--)
        {
            var at = random.Next(text.Length + 1);
            var length = Math.Min(random.Next(1, Part), text.Length - at);
            switch (random.Next(4))
            {
                case 0: text.Remove(at, length); break;
                case 1 when text.Length < Longest: text.Insert(random.Next(text.Length + 1), text.ToString(at, length)); break;
                case var kind: text.Insert(at, piece(kind)); break;
            }
        }
        return Encoding.GetBytes(text.ToString());
    }

    /// <summary>Makes one change or more, with pieces of a list and, where a reader has words, one of them now and then.</summary>
    public byte[] Mutate(Draw random, byte[] input, string[] pieces) => Mutate(random, input, kind =>
        kind == 2 && random.HasWords && random.Next(3) == 0 ? random.Word() : pieces[random.Next(pieces.Length)]);
}
