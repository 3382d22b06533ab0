using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;

namespace Microsoft.ML.Nlft.Tests.Saliency;

[TestClass]
public sealed class LikelyTokensTests
{
    private static readonly TrainingExample[] s_rows =
    [
        new() { Question = "1+2?", Response = "4!", Judgment = "The sum is wrong.", Answer = "3" },
        new() { Question = "2+2?", Response = "4 is the sum of 2 and 2", Answer = "4" },
        new() { Question = "2+3?", Response = "6", Judgment = "No.", Answer = "5" },
    ];

    /// <summary>The engine's score of the same text with the likely token in place of the written one is the oracle.</summary>
    [TestMethod]
    public void CreateSaliencyMap_EveryPosition_HasTheProbabilitiesThatScoringGives()
    {
        using var folder = new ByteModelFolder();
        using var model = LocalModel.Load(folder.Path);
        var map = model.CreateSaliencyMap(s_rows);
        for (var row = 0; row < s_rows.Length; row++)
        {
            var (encoded, seen) = (model.Prompts.Encode(s_rows[row]), map.Rows[row].Epochs[0]);
            PromptContexts[] wanted = s_rows[row].Judgment is null ? [PromptContexts.Base, PromptContexts.Standard]
                : [PromptContexts.Base, PromptContexts.Judge, PromptContexts.Standard];
            CollectionAssert.AreEqual(wanted, seen.Likely!.Keys.ToArray());
            foreach (var (context, likely) in seen.Likely)
            {
                var sequence = encoded.Sequence(context);
                for (var t = 0; t < sequence.ResponseLength; t++)
                {
                    var ids = likely.Ids.AsSpan(4 * t, 4).ToArray();
                    var found = likely.Probabilities.AsSpan(4 * t, 4).ToArray();
                    CollectionAssert.AreEqual(found.OrderDescending().ToArray(), found);
                    CollectionAssert.DoesNotContain(ids, sequence.Tokens.Span[sequence.PromptLength + t]);
                    CollectionAssert.AllItemsAreUnique(ids);
                    var probabilities = Probabilities(model, sequence, t, [.. Enumerable.Range(0, model.Network.Configuration.VocabularySize)]);
                    probabilities[sequence.Tokens.Span[sequence.PromptLength + t]] = 0;
                    var best = probabilities.OrderDescending().Take(4).ToArray();
                    for (var k = 0; k < 4; k++)
                    {
                        Assert.AreEqual(best[k], found[k], 1e-5, $"row {row}, {context}, token {t}, place {k}");
                        Assert.AreEqual(probabilities[ids[k]], found[k], 1e-5, $"row {row}, {context}, token {t}, id {ids[k]}");
                    }
                }
            }
            foreach (var id in seen.Likely.Values.SelectMany(likely => likely.Ids))
                Assert.AreEqual(model.Tokenizer.Decode([id], skipSpecialTokens: false), map.LikelyTexts[id]);
        }
    }

    [TestMethod]
    [DataRow(100, true)]
    [DataRow(101, false)]
    public void CreateSaliencyMap_ManyRows_HasNone(int rows, bool expected)
    {
        using var folder = new ByteModelFolder();
        using var model = LocalModel.Load(folder.Path);
        var map = model.CreateSaliencyMap([.. Enumerable.Repeat(s_rows[2], rows)]);
        Assert.AreEqual(expected, map.Rows.All(row => row.Epochs[0].Likely is not null));
        Assert.AreEqual(expected, map.LikelyTexts.Count > 0);
        map.Write(Stream.Null);
    }

    private static double[] Probabilities(LocalModel model, TokenSequence sequence, int position, int[] ids)
    {
        var length = sequence.PromptLength + position;
        var scored = model.Network.Score([.. ids.Select(id => new TokenSequence((int[])[.. sequence.Tokens.Span[..length], id], length))]);
        return [.. scored.Select(score => Math.Exp(score.LogProbabilities[0]))];
    }
}
