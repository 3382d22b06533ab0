using Microsoft.ML.Nlft;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Generation;
using static System.FormattableString;

namespace RealModel;

/// <summary>
/// Asks a model here and llama.cpp the same questions: both take the likeliest token at every step, so both should write the same text.
/// </summary>
internal sealed class TextComparison(LocalModel ours, LlamaSharpModel theirs, TextWriter writer)
{
    /// <summary>
    /// The distance of the two largest logits, in nats, below which rounding may decide between them: float32 sums in another order move a logit by
    /// about 1e-5 of its size.
    /// </summary>
    public const float NearTie = 1e-3f;

    /// <summary>Asks and prints; false if a text differs where there was no near-tie.</summary>
    public bool Compare(IReadOnlyList<DataRow> questions, GenerationOptions generation)
    {
        var (same, tied) = (0, 0);
        int[][] prompts = [.. questions.Select(row => ours.Prompts.EncodeQuestion(row.Question, row.Instruction))];
        foreach (var (row, prompt, answer) in questions.Zip(prompts, ours.Generate(prompts, generation)))
        {
            var steps = theirs.Answer(ours.Tokenizer.Decode(prompt, skipSpecialTokens: false), generation.MaximumNewTokens);
            var text = theirs.Text(steps.Select(step => step.Token));
            writer.WriteLine($"\n  question    {row.Question}\n  here        {OneLine(answer.Text)}");
            var at = FirstDifference(answer.Tokens, steps);
            var isSame = at < 0 && text == answer.Text;
            var isTie = at >= 0 && at < Math.Min(answer.Tokens.Count, steps.Count) && IsNearTie(answer.Tokens[at], steps[at]);
            (same, tied) = (same + (isSame ? 1 : 0), tied + (isTie ? 1 : 0));
            writer.WriteLine($"  LLamaSharp  {(isSame ? "the same text" : OneLine(text))}");
            writer.WriteLine($"              {Describe(steps, at, isSame, isTie)}");
        }
        writer.WriteLine($"\n{same} of {questions.Count} texts are the same{(tied > 0 ? $", {tied} differ from a near-tie on" : "")}.");
        return same + tied == questions.Count;
    }

    private static string Describe(IReadOnlyList<GreedyStep> steps, int at, bool isSame, bool isTie) =>
        isSame ? Invariant($"{steps.Count} tokens, the two largest logits never closer than {steps.Min(step => step.Margin):0.0000}")
        : at < 0 ? "The tokens are the same, the texts DIFFER."
        : at >= steps.Count ? $"DIFFERS from token {at} on, where it ends."
        : Invariant($"{(isTie ? "differs by a near-tie" : "DIFFERS")}: at token {at} the two largest logits are {steps[at].Margin:0.000000} apart");

    /// <summary>The first place where the tokens differ, also where one answer ends and the other continues; -1 if there is none.</summary>
    public static int FirstDifference(IReadOnlyList<int> tokens, IReadOnlyList<GreedyStep> steps)
    {
        var shared = Math.Min(tokens.Count, steps.Count);
        for (var i = 0; i < shared; i++)
        {
            if (tokens[i] != steps[i].Token) return i;
        }
        return tokens.Count == steps.Count ? -1 : shared;
    }

    /// <summary>Whether our token is the one that llama.cpp found second, so close to its first that rounding may have decided.</summary>
    public static bool IsNearTie(int ours, GreedyStep theirs) => ours == theirs.Second && theirs.Margin < NearTie;

    private static string OneLine(string text) => text.ReplaceLineEndings(" | ");
}
