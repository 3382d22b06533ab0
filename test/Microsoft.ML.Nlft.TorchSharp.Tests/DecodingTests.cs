using Microsoft.ML.Nlft.Engines;
using static Microsoft.ML.Nlft.TestKit.EngineSteps;
using static Microsoft.ML.Nlft.Tests.Models;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>Decoding with the cache, compared with whole sequences.</summary>
[TestClass]
public class DecodingTests
{
    [TestMethod]
    public void Append_BeyondTheInitialCapacity_GivesTheLogitsOfTheWholeSequence()
    {
        using var folder = TinyModels.Create();
        using var model = Load(folder, TrainableWeights.None);
        var tokens = Batch(250)[0].Tokens;
        using var session = model.StartDecoding([tokens[..3], tokens[..5]], 240);
        for (var i = 0; i < 240; i++) session.Append([tokens.Span[3 + i], tokens.Span[5 + i]]);
        using var oracle = model.StartDecoding([tokens[..243], tokens[..245]], 0);
        for (var s = 0; s < 2; s++) NumberAssert.AreClose(Doubles(oracle.Logits(s).ToArray()), session.Logits(s).ToArray(), 1e-4, $"sequence {s}");
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
