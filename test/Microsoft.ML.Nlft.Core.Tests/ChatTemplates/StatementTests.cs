using static Microsoft.ML.Nlft.Tests.ChatTemplates.TemplateFixture;

namespace Microsoft.ML.Nlft.Tests.ChatTemplates;

/// <summary>Compares statements and white space with Jinja's output.</summary>
[TestClass]
public sealed class StatementTests
{
    [TestMethod]
    [DataRow("a\n{% if true %}\nb\n{% endif %}\nc\n", "a\nb\nc", DisplayName = "the newline after a statement and the last one are removed")]
    [DataRow("a\n  {% if true %}\nb\n  {% endif %}\nc", "a\nb\nc", DisplayName = "blanks before a statement on its own line are removed")]
    [DataRow("a {% if true %} b {% endif %} c", "a  b  c", DisplayName = "blanks after text stay")]
    [DataRow("a\n  {{ 1 }}\nb", "a\n  1\nb", DisplayName = "outputs keep the white space around them")]
    [DataRow("a \n {{- 1 -}} \n b", "a1b", DisplayName = "minus removes all white space")]
    [DataRow("a\n  {%+ if true +%}\nb{% endif %}", "a\n  \nb", DisplayName = "plus keeps it")]
    [DataRow("a {#- c -#} b{# d #}\nc", "abc", DisplayName = "comments are treated like statements")]
    [DataRow("{% raw %}{{ x }}{# y #}{% endraw %}", "{{ x }}{# y #}", DisplayName = "raw text")]
    [DataRow("a\r\nb\rc\r\n", "a\nb\nc", DisplayName = "newlines become line feeds")]
    [DataRow("{{ '}}' }}{{ {'a': {}} }}", "}}{'a': {}}", DisplayName = "ends of tags inside expressions")]
    [DataRow("{ {", "{ {", DisplayName = "single braces")]
    public void Render_WhiteSpace_FollowsTrimBlocksAndLstripBlocks(string template, string expected) => Assert.AreEqual(expected, Render(template));

    [TestMethod]
    [DataRow(
        "{% for x in numbers %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}" +
        "{{ loop.first }}{{ loop.last }}{{ loop.length }};{% endfor %}",
        "1032TrueFalse3;2121FalseFalse3;3210FalseTrue3;")]
    [DataRow("{% for x in numbers %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }} {{ loop.cycle('a', 'b') }}{{ loop.changed(x > 2) }};{% endfor %}",
        "<3>1 aTrue;3<1>2 bTrue;1<2> aFalse;")]
    [DataRow("{% for x in [] %}a{% else %}b{% endfor %}", "b")]
    [DataRow("{% for x in missing %}a{% else %}b{% endfor %}", "b")]
    [DataRow("{% for x in numbers if x > 1 %}{{ x }}{{ loop.index }}{{ loop.length }};{% endfor %}", "312;222;")]
    [DataRow("{% for k, v in map|dictsort %}{{ k }}={{ v }};{% endfor %}", "a=2;b=1;C=[1, {'x': None}];")]
    [DataRow("{% for a, (b, c) in [(1, (2, 3))] %}{{ a + b + c }}{% endfor %}", "6")]
    [DataRow("{% for c in 'a\U0001F642' %}[{{ c }}]{% endfor %}", "[a][\U0001F642]")]
    [DataRow("{% for x in numbers %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}", "32")]
    [DataRow("{% for x in numbers %}{% if x == 2 %}{% break %}{% endif %}{{ x }}{% else %}e{% endfor %}", "31")]
    [DataRow(
        "{% for x in numbers %}{% break %}{% else %}e{% endfor %}",
        "e",
        DisplayName = "as in Jinja, else runs if no iteration reached its end")]
    public void Render_Loops_PrintsAsJinja(string template, string expected) => Assert.AreEqual(expected, Render(template));

    [TestMethod]
    [DataRow(
        "{% set x = 1 %}{% for i in numbers %}{% set x = x + i %}{{ x }};{% endfor %}{{ x }}",
        "4;2;3;1",
        DisplayName = "each iteration has its own scope")]
    [DataRow("{% if true %}{% set x = 1 %}{% endif %}{{ x }}", "1", DisplayName = "if has no scope of its own")]
    [DataRow("{% set ns = namespace(x=0) %}{% for i in numbers %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}", "6")]
    [DataRow("{% set a, b = 1, 2 %}{{ a }}{{ b }}", "12")]
    [DataRow("{% set x | upper | replace('H', 'J') %}hello {{ seven }}{% endset %}{{ x }}", "JELLO 7")]
    [DataRow("{% set seven = seven + 1 %}{{ seven }}", "8")]
    [DataRow("{% generation %}{% set x = 1 %}{{ x }}{% endgeneration %}{{ x }}", "1", DisplayName = "generation renders its body in a new scope")]
    [DataRow("{% for m in messages %}{{ m.role }}:{{ m['content'] }}{% endfor %}{{ add_generation_prompt }}{{ tools is none }}", "user:QTrueTrue")]
    public void Render_NamesAndScopes_PrintsAsJinja(string template, string expected) => Assert.AreEqual(expected, Render(template));

    [TestMethod]
    [DataRow("{% macro f(a, b=2) %}{{ a }}-{{ b }}{% endmacro %}{{ f(1) }} {{ f(1, 3) }} {{ f(b=5, a=4) }} {{ f() }}", "1-2 1-3 4-5 -2")]
    [DataRow("{% macro f(n) %}{% if n > 0 %}{{ n }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(4) }}", "4321")]
    [DataRow(
        "{% macro f() %}{{ x }}{{ seven }}{% endmacro %}{% for x in numbers %}{{ f() }};{% endfor %}",
        "7;7;7;",
        DisplayName = "a macro sees the names around its definition")]
    [DataRow("{% macro f(a, b=a) %}{{ b }}{% endmacro %}{{ f(3)|int + 1 }}", "4")]
    public void Render_Macros_PrintsAsJinja(string template, string expected) => Assert.AreEqual(expected, Render(template));
}
