using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Tool.Display;

/// <summary>Shows which tokens of a row carry loss: its text in pieces, each on a line that begins with + or -.</summary>
internal static class LossMask
{
    /// <summary>Returns the lines of a row: how many tokens carry loss, then the text up to the last of them.</summary>
    /// <param name="example">The row.</param>
    /// <param name="tokenizer">The tokenizer that encoded it.</param>
    public static IEnumerable<string> Lines(EncodedExample example, HuggingFaceTokenizer tokenizer)
    {
        var prompt = example.Prompt(PromptContexts.Base);
        var counted = example.Counted.IsEmpty ? Enumerable.Repeat(true, example.Response.Length) : example.Counted.ToArray();
        (int Id, bool Carries)[] tokens =
            [.. prompt.ToArray().Select(id => (id, false)), .. example.Response.ToArray().Zip(counted, (id, carries) => (id, carries))];
        yield return $"{example.Source}: {example.CountedTokens} of {tokens.Length} tokens carry loss";
        for (var start = 0; start < tokens.Length;)
        {
            var carries = tokens[start].Carries;
            var piece = tokens.Skip(start).TakeWhile(token => token.Carries == carries).Select(token => token.Id).ToArray();
            yield return $"  {(carries ? '+' : '-')} {Visible(tokenizer.Decode(piece, skipSpecialTokens: false))}";
            start += piece.Length;
        }
    }

    private static string Visible(string text) => text.Replace("\\", "\\\\").Replace("\n", "\\n").Replace("\r", "\\r").Replace("\t", "\\t");
}
