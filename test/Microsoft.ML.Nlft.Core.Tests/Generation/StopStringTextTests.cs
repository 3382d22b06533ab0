using Microsoft.ML.Nlft.Generation;

namespace Microsoft.ML.Nlft.Tests.Generation;

[TestClass]
public class StopStringTextTests
{
    [TestMethod]
    [DataRow("one###two", "###", "one")]
    [DataRow("###", "###", "")]
    [DataRow("a##b###c", "###", "a##b")]
    [DataRow("aaab", "aab", "a")]
    [DataRow("xENDy", "STOP|END", "x")]
    [DataRow("xSTOPEND", "END|STOP", "x")]
    [DataRow("abcd", "bcd|c", "ab")] // "c" is complete first, one character at a time
    public void Append_StopStringInAnyPieces_EndsTheTextBeforeIt(string whole, string stops, string expected)
    {
        var text = Feed(whole.Select(c => c.ToString()), stops, out var shown);
        Assert.IsTrue(text.Stopped);
        Assert.AreEqual(expected, text.ToString());
        if (!stops.Contains('c')) Assert.AreEqual(expected, shown, "nothing of a stop string was shown");
        foreach (var size in new[] { 2, 3, 100 }.Where(_ => !stops.Contains('c')))
        {
            Assert.AreEqual(expected, Feed(whole.Chunk(size).Select(c => new string(c)), stops, out _).ToString());
        }
    }

    [TestMethod]
    public void Append_TwoStopStringsInOnePiece_EndsBeforeTheFirst() =>
        Assert.AreEqual("a", Feed(["a", "STOP b END"], "END|STOP", out _).ToString());

    [TestMethod]
    public void Take_PossibleStopString_IsHeldBackUntilRuledOut()
    {
        var text = new StopStringText(["###"]);
        text.Append("one#");
        Assert.AreEqual("one", text.Take(final: false));
        text.Append("#");
        Assert.AreEqual("", text.Take(final: false));
        text.Append("!");
        Assert.AreEqual("##!", text.Take(final: false));
        text.Append("##");
        Assert.AreEqual("", text.Take(final: false));
        Assert.AreEqual("##", text.Take(final: true));
        Assert.AreEqual("one##!##", text.ToString());
    }

    [TestMethod]
    public void Take_NoStopStrings_HoldsNothingBack()
    {
        var text = new StopStringText([]);
        text.Append("all of it");
        Assert.AreEqual("all of it", text.Take(final: false));
        Assert.IsFalse(text.Stopped);
    }

    private static StopStringText Feed(IEnumerable<string> pieces, string stops, out string shown)
    {
        var text = new StopStringText(stops.Split('|'));
        shown = "";
        foreach (var piece in pieces)
        {
            text.Append(piece);
            shown += text.Take(final: false);
        }

        shown += text.Take(final: true);
        return text;
    }
}
