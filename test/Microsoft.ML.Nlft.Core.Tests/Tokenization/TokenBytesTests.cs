using System.Text;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Tests.Tokenization;

[TestClass]
public class TokenBytesTests
{
    [TestMethod]
    [TestCategory("Conformance")]
    [DataRow("falcon")]
    [DataRow("llama2")]
    [DataRow("phi-3-mini")]
    public void Of_PublishedTokenizer_JoinToTheText(string name)
    {
        if (!Fixtures.Available) Assert.Inconclusive("no shared fixtures");
        var tokenizer = HuggingFaceTokenizer.Load(Fixtures.Path_("fixtures", "tokenizers", name));
        var bytes = TokenBytes.Of(tokenizer, new HashSet<string>());
        foreach (var text in (string[])["{\"name\": \"Zoë\", \"n\": [1, 2.5e3, null]}", 
            "日本 😀 naïve\n  \"x\"\t<0x41>", "{\n    \"a b\": true\n}"])
        {
            var joined = Encoding.UTF8.GetString([.. tokenizer.Encode(text, addSpecialTokens: false).SelectMany(id => bytes[id])]);
            Assert.AreEqual(text, joined.TrimStart(' '));
        }
        Assert.IsTrue(tokenizer.SpecialTokens.Values.All(id => bytes[id].Length == 0));
        var shown = tokenizer.SpecialTokens.First();
        Assert.AreEqual(shown.Key, Encoding.UTF8.GetString(TokenBytes.Of(tokenizer, new HashSet<string> { shown.Key })[shown.Value]));
    }
}
