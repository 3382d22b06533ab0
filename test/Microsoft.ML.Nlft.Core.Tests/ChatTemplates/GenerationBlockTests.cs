using Microsoft.ML.Nlft.ChatTemplates;

namespace Microsoft.ML.Nlft.Tests.ChatTemplates;

/// <summary>Where the text between generation tags lies, as transformers counts it, and what each message of a loop printed.</summary>
[TestClass]
public sealed class GenerationBlockTests
{
    private static readonly ChatTurn[] s_messages = [new("user", "Q"), new("assistant", "Ra")];

    [TestMethod]
    [DataRow("a{% generation %}bc{% endgeneration %}d", "1..3")]
    [DataRow("{% for m in messages %}<{% generation %}{{ m.content }}{% endgeneration %}>{% endfor %}", "1..2 4..6")]
    [DataRow("a{% generation %}{% endgeneration %}b", "1..1", DisplayName = "an empty block")]
    [DataRow("{% generation %}a{% generation %}b{% endgeneration %}{% endgeneration %}", "0..1 0..2", DisplayName = "a block in a block")]
    [DataRow("{% macro f() %}x{% generation %}yz{% endgeneration %}{% endmacro %}a{{ f() }}", "1..3",
        DisplayName = "in a macro it begins where the printed text ends")]
    [DataRow("{% set t %}{% generation %}y{% endgeneration %}{% endset %}a{{ t }}", "0..1", DisplayName = "in a set block, too")]
    [DataRow("a\n  {%- generation -%}\n b {%- endgeneration -%}\n c", "1..2", DisplayName = "white space is removed first")]
    public void RenderChat_GenerationBlocks_LieWhereTransformersCountsThem(string template, string spans)
    {
        var parsed = ChatTemplate.Parse(template);
        Assert.IsTrue(parsed.MarksGeneration);
        Assert.AreEqual(spans, string.Join(" ", parsed.RenderChat(s_messages, false, null).Generations));
    }

    [TestMethod]
    [DataRow("{% for m in messages %}<{{ m.content }}>{% endfor %}", "user 0..3 assistant 3..7")]
    [DataRow("{# {% generation %}{% endgeneration %} #}{% for m in messages[1:] %}{{ m.content }}{% endfor %}", "assistant 0..2")]
    [DataRow("{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}{% for m in messages|reverse %}{{ m.content }}{% endfor %}",
        "user 0..1 assistant 1..3 user 3..4")]
    [DataRow("{% for m in messages %}{% set x = m.role %}{% endfor %}{{ messages[1].content }}", "", DisplayName = "a loop that prints nothing")]
    [DataRow("{% for w in ['a', 'b'] %}{{ w }}{% endfor %}", "", DisplayName = "a loop over other things")]
    public void RenderChat_LoopsOverMessages_SayWhatEachPrinted(string template, string turns)
    {
        var parsed = ChatTemplate.Parse(template);
        Assert.IsFalse(parsed.MarksGeneration);
        Assert.AreEqual(turns, string.Join(" ", parsed.RenderChat(s_messages, false, null).Turns.Select(turn => $"{turn.Role} {turn.Text}")));
    }
}
