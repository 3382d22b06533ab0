using System.Globalization;
using Microsoft.ML.Nlft.ChatTemplates;
using Microsoft.ML.Nlft.Tests.Reliability;
using static Microsoft.ML.Nlft.Tests.ChatTemplates.TemplateFixture;

namespace Microsoft.ML.Nlft.Tests.ChatTemplates;

/// <summary>Tests that work is counted by the length that it touches, and that no nesting overflows the stack.</summary>
[TestClass]
public sealed class TemplateGrowthTests
{
    /// <summary>Texts of 400,000 characters that are equal, or that end where a search of quadratic cost would be slowest.</summary>
    private const string Long = "{% set h = 'ab' * 200000 %}{% set n = 'ab' * 100000 ~ 'cb' %}{% set g = 'ab' * 200000 %}";

    [TestMethod]
    [DataRow("{{ n in h }}")]
    [DataRow("{{ h.find(n) }}")]
    [DataRow("{{ h.rfind(n) }}")]
    [DataRow("{{ h.count(n) }}")]
    [DataRow("{{ h.split(n)|length }}")]
    [DataRow("{{ h.rsplit(n)|length }}")]
    [DataRow("{{ h.partition(n)|length }}")]
    [DataRow("{{ h.replace(n, 'x')|length }}")]
    [DataRow("{{ h|replace(n, 'x')|length }}")]
    [DataRow("{{ h.strip(n)|length }}")]
    [DataRow("{{ h|trim(n)|length }}")]
    public void Render_SearchOfALongText_TouchesItOnceOrTwice(string use)
    {
        var steps = new ChatTemplateOptions { MaximumSteps = 300_000 };
        Assert.AreNotEqual("", Render(Long + use, steps));
    }

    [TestMethod]
    [DataRow("{% if h == g %}{% endif %}")]
    [DataRow("{% if h < g %}{% endif %}")]
    [DataRow("{% if [h] == [g] %}{% endif %}")]
    [DataRow("{% if (1, h) >= (1, g) %}{% endif %}")]
    [DataRow("{% if h is eq(g) %}{% endif %}")]
    [DataRow("{% if h is sameas(g) %}{% endif %}")]
    [DataRow("{% if h in [g] %}{% endif %}")]
    [DataRow("{% if [g].count(h) %}{% endif %}")]
    [DataRow("{% if h in map %}{% endif %}")]
    [DataRow("{% if map[h] %}{% endif %}")]
    [DataRow("{% if map.get(h) %}{% endif %}")]
    [DataRow("{% if h|length %}{% endif %}")]
    [DataRow("{% if h.isspace() or h.isalpha() %}{% endif %}")]
    [DataRow("{% if h is lower %}{% endif %}")]
    [DataRow("{% set x = h.upper() %}")]
    [DataRow("{% set x = h|lower %}")]
    [DataRow("{% set x = h|capitalize %}")]
    [DataRow("{% set x = h.title() %}")]
    [DataRow("{% set x = h|title %}")]
    [DataRow("{% set x = h.swapcase() %}")]
    [DataRow("{% set x = h.strip() %}")]
    [DataRow("{% set x = h.removeprefix('a') %}")]
    [DataRow("{% set x = h|e %}")]
    [DataRow("{% set x = h|int %}")]
    [DataRow("{% set x = h|float %}")]
    [DataRow("{% set x = h|wordcount %}")]
    [DataRow("{% set x = h[0] %}")]
    [DataRow("{% set x = [h, g]|sort %}")]
    [DataRow("{% set x = [h, g]|unique|list %}")]
    [DataRow("{% set x = [h, g]|max %}")]
    [DataRow("{% set x = {h: 1}|dictsort %}")]
    [DataRow("{% set x = [h]|string %}")]
    [DataRow("{% set x = h|tojson %}")]
    [DataRow("{% set x = dict([(h, 1)]) %}")]
    [DataRow("{% set x = strftime_now(h) %}")]
    [DataRow("{% set x = [1]|map(attribute=h)|list %}")]
    public void Render_LongTextTouchedInALoop_EndsAtTheLimitOfSteps(string body)
    {
        var allocated = GC.GetAllocatedBytesForCurrentThread();
        StringAssert.Contains(Refuse(Long + "{% for i in range(100000) %}" + body + "{% endfor %}", s_fewSteps).Message, "steps");
        Assert.IsLessThan(128L << 20, GC.GetAllocatedBytesForCurrentThread() - allocated);
    }

    [TestMethod]
    [DataRow("{% set x = big.keys() %}")]
    [DataRow("{% set x = big.values() %}")]
    [DataRow("{% set x = big.items() %}")]
    [DataRow("{% set x = big.copy() %}")]
    [DataRow("{% set x = dict(big) %}")]
    [DataRow("{% set x = namespace(big) %}")]
    [DataRow("{% set x = big|items %}")]
    [DataRow("{% set x = big|tojson %}")]
    [DataRow("{% set x = big == big.copy() %}")]
    [DataRow("{% set x = list.copy() %}")]
    [DataRow("{% set x = list[:-1] %}")]
    [DataRow("{% set x = list|reverse %}")]
    public void Render_LongListTouchedInALoop_EndsAtTheLimitOfSteps(string body)
    {
        var allocated = GC.GetAllocatedBytesForCurrentThread();
        var setup = "{% set list = range(100000)|list %}{% set big = {" + Numbered(50_000, "{0}:1,") + "} %}";
        var options = new ChatTemplateOptions { MaximumSteps = 2_000_000 };
        StringAssert.Contains(Refuse(setup + "{% for i in range(100000) %}" + body + "{% endfor %}", options).Message, "steps");
        Assert.IsLessThan(2L << 30, GC.GetAllocatedBytesForCurrentThread() - allocated);
    }

    [TestMethod]
    [DataRow("{{ ('a\n' * 1000000)|indent(1000000) }}")]
    [DataRow("{{ ('a' * 4000000)|replace('', 'bbbbbbbb') }}")]
    [DataRow("{{ ('&' * 4000000)|e }}")]
    [DataRow("{{ ('ß' * 4000000)|upper }}")]
    [DataRow("{{ strftime_now('%c' * 2000000) }}")]
    [DataRow("{{ ['\\x01' * 4000000]|string }}")]
    [DataRow("{{ ('\\x01' * 4000000)|tojson }}")]
    [DataRow("{{ range(1000)|list|tojson(indent='a' * 100000) }}")]
    [DataRow("{{ range(1000)|join('a' * 100000) }}")]
    [DataRow("{{ 'a'.ljust(4000000, '\U0001F600') }}")]
    [DataRow("{{ ['a' * 4000000, 'b' * 4000000]|string }}")]
    public void Render_TextThatGrows_IsRefusedBeforeItIsMade(string template)
    {
        var allocated = GC.GetAllocatedBytesForCurrentThread();
        StringAssert.Contains(Refuse(template).Message, "MaximumLength");
        Assert.IsLessThan(256L << 20, GC.GetAllocatedBytesForCurrentThread() - allocated);
    }

    private static readonly ChatTemplateOptions s_fewSteps = new() { MaximumSteps = 500_000 };

    public static IEnumerable<object[]> Chains =>
    [
        ["{% set x" + Repeat("|e", 80_000) + " %}a{% endset %}{{ x }}"],
        ["{{ 'a'" + Repeat("|e", 80_000) + " }}"],
        ["{{ 'a'" + Repeat(".strip()", 80_000) + " }}"],
        ["{{ 'a'" + Repeat("[0]", 80_000) + " }}"],
        ["{{ 1" + Repeat(" and 1", 80_000) + " }}"],
        ["{{ 'a'|map(" + Repeat("'map',", 80_000) + "'string')|list }}"],
        ["{{ [" + Repeat("[", 80_000)],
        ["{% set " + Repeat("(", 80_000) + "a = 1 %}"],
        ["{{ {1:" + Repeat("{1:", 80_000)],
        ["{{ f(" + Repeat("f(", 80_000)],
        ["{{ a is in " + Repeat("[", 80_000)],
        ["{{ 1" + Repeat(" if 1", 80_000) + " }}"],
        [Repeat("{% for a in b %}", 80_000)],
        [Repeat("{% if a %}", 80_000)],
        [Repeat("{% generation %}", 80_000)],
    ];

    [TestMethod]
    [DynamicData(nameof(Chains))]
    public void Render_LongChain_NeverOverflowsASmallStack(string template) => SmallStack.Run(() => Render(template));

    private static string Repeat(string text, int count) => string.Concat(Enumerable.Repeat(text, count));

    private static string Numbered(int count, string format) =>
        string.Concat(Enumerable.Range(0, count).Select(i => string.Format(CultureInfo.InvariantCulture, format, i)));
}
