using Microsoft.ML.Nlft.Models;
using Microsoft.ML.Nlft.Tests.Engines;
using static Microsoft.ML.Nlft.Tests.Models;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>Decoding with the cache against whole sequences.</summary>
[TestClass]
public class DecodingTests
{
    [TestMethod]
    public void Decode_TokenByToken_GivesTheLogitsOfTheWholeSequence()
    {
        using var folder = TinyModels.Create(2, TinyModels.Configuration with { SlidingWindows = [0, 6] });
        using var model = Load(folder, TrainableWeights.None);
        var tokens = Batch(25)[0].Tokens;
        ReadOnlyMemory<int>[] prompts = [tokens[..4], tokens[..9], tokens[..1], tokens[..6], tokens[..2], tokens[..3]];
        using var session = model.StartDecoding(prompts, 16);
        for (var step = 0; step < 10; step++)
        {
            for (var s = 0; s < prompts.Length; s++)
                if (s != 1 || step < 5)
                {
                    using var oracle = model.StartDecoding([tokens[..(prompts[s].Length + step)]], 0);
                    Numbers.AreClose(Doubles(oracle.Logits(0).ToArray()), session.Logits(s).ToArray(), 1e-5, $"step {step}, sequence {s}");
                }
            session.Append([.. prompts.Select((prompt, s) => s == 1 && step >= 4 ? -1 : tokens.Span[prompt.Length + step])]);
        }
        Assert.ThrowsExactly<InvalidOperationException>(() => session.Logits(1).ToArray());
    }

    [TestMethod]
    public void Decode_BeyondTheFirstRoomOfTheCache_GivesTheLogitsOfTheWholeSequence()
    {
        using var folder = TinyModels.Create();
        using var model = Load(folder, TrainableWeights.None);
        var tokens = Batch(250)[0].Tokens;
        using var session = model.StartDecoding([tokens[..3], tokens[..5]], 240);
        for (var i = 0; i < 240; i++) session.Append([tokens.Span[3 + i], tokens.Span[5 + i]]);
        using var oracle = model.StartDecoding([tokens[..243], tokens[..245]], 0);
        for (var s = 0; s < 2; s++) Numbers.AreClose(Doubles(oracle.Logits(s).ToArray()), session.Logits(s).ToArray(), 1e-4, $"sequence {s}");
    }

    [TestMethod]
    public void Append_AllRetired_DoesNothing()
    {
        using var folder = TinyModels.Create();
        using var model = Load(folder, TrainableWeights.None);
        using var session = model.StartDecoding([new[] { 1 }, new[] { 2, 3 }], 4);
        session.Append([-1, -1]);
        session.Append([5, 5]);
        Assert.ThrowsExactly<InvalidOperationException>(() => session.Logits(0).ToArray());
        Assert.ThrowsExactly<ArgumentException>(() => session.Append([1]));
    }
}
