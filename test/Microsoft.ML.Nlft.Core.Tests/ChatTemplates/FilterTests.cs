using static Microsoft.ML.Nlft.Tests.ChatTemplates.TemplateFixture;

namespace Microsoft.ML.Nlft.Tests.ChatTemplates;

/// <summary>Compares filters and global functions with Jinja's output.</summary>
[TestClass]
public sealed class FilterTests
{
    [TestMethod]
    [DataRow("text|upper ~ text|lower ~ 'ab c'|capitalize", "HELLO WORLDhello worldAb c")]
    [DataRow("'hello world-foo (bar)'|title", "Hello World-Foo (Bar)")]
    [DataRow("'  x '|trim ~ 'xax'|trim('x')", "xa")]
    [DataRow("text|replace('l', 'L', 1) ~ 7|replace('7', '8')", "HeLlo World8")]
    [DataRow("lines|indent(2)", "a\n\n   b\n  c")]
    [DataRow("lines|indent(2, first=true, blank=true)", "  a\n  \n   b\n  c")]
    [DataRow("lines|indent('>')", "a\n\n> b\n>c")]
    [DataRow("'<a&b>'|e ~ '<b>'|safe", "&lt;a&amp;b&gt;<b>")]
    [DataRow("none|string ~ numbers|string", "None[3, 1, 2]")]
    [DataRow("'a b, c'|wordcount", "3")]
    public void Render_TextFilters_PrintsAsJinja(string expression, string expected) => Check(expression, expected);

    [TestMethod]
    [DataRow("2.5|round ~ 3.5|round ~ -2.5|round", "2.04.0-2.0")]
    [DataRow("0.125|round(2) ~ 2.675|round(2)", "0.122.67")]
    [DataRow("42.55|round(1, 'floor') ~ 42.51|round(1, 'ceil')", "42.542.6")]
    [DataRow("1250|round(-2) ~ 7|round", "12007")]
    [DataRow("'42'|int ~ '4.9'|int ~ 'x'|int(5) ~ none|int ~ -2.9|int ~ '1f'|int(base=16)", "42450-231")]
    [DataRow("'3.5'|float ~ 'x'|float ~ 3|float", "3.50.03.0")]
    [DataRow("-3|abs ~ -3.5|abs", "33.5")]
    [DataRow("numbers|sum ~ turns[:2]|sum('n', 10)", "613")]
    public void Render_NumberFilters_PrintsAsJinja(string expression, string expected) => Check(expression, expected);

    [TestMethod]
    [DataRow("numbers|first ~ numbers|last ~ text|first ~ []|first", "32H")]
    [DataRow("numbers|length ~ map|count", "33")]
    [DataRow("words|join(', ') ~ turns|join('-', attribute='role')", "b, A, c, auser-assistant-user")]
    [DataRow("words|sort", "['A', 'a', 'b', 'c']")]
    [DataRow("words|sort(case_sensitive=true, reverse=true)", "['c', 'b', 'a', 'A']")]
    [DataRow("turns|sort(attribute='content')|map(attribute='content')|list", "['hi', 'yo', 'z']")]
    [DataRow("map|dictsort", "[('a', 2), ('b', 1), ('C', [1, {'x': None}])]")]
    [DataRow("{'a': 2, 'b': 1}|dictsort(by='value')", "[('b', 1), ('a', 2)]")]
    [DataRow("map|items|list|length ~ missing|items|list", "3[]")]
    [DataRow("['a', 'A', 'b']|unique|list", "['a', 'b']")]
    [DataRow("numbers|min ~ numbers|max ~ words|min ~ turns[:2]|max(attribute='n')", "13A{'role': 'user', 'content': 'hi', 'n': 2}")]
    [DataRow("numbers|reverse|list ~ text|reverse", "[2, 1, 3]dlroW olleH")]
    [DataRow("words|map('upper')|list", "['B', 'A', 'C', 'A']")]
    [DataRow("turns|map(attribute='n', default=0)|list", "[2, 1, 0]")]
    [DataRow("numbers|select('odd')|list ~ numbers|reject('odd')|list", "[3, 1][2]")]
    [DataRow("[0, 1, '']|select|list", "[1]")]
    [DataRow("turns|selectattr('role', 'equalto', 'user')|list|length", "2")]
    [DataRow("turns|rejectattr('n', 'defined')|map(attribute='content')|join", "z")]
    [DataRow("'x' if []|select else 'y'", "x")]
    public void Render_SequenceFilters_PrintsAsJinja(string expression, string expected) => Check(expression, expected);

    [TestMethod]
    [DataRow("map|tojson", """{"b": 1, "a": 2, "C": [1, {"x": null}]}""")]
    [DataRow("map|tojson(indent=2)", "{\n  \"b\": 1,\n  \"a\": 2,\n  \"C\": [\n    1,\n    {\n      \"x\": null\n    }\n  ]\n}")]
    [DataRow("[[], {}]|tojson(indent=1)", "[\n [],\n {}\n]")]
    [DataRow("map|tojson(separators=(',', ':'), sort_keys=true)", """{"C":[1,{"x":null}],"a":2,"b":1}""")]
    [DataRow("'</a> \u00e9 \\x01 \"q\" \\\\ &'|tojson", "\"</a> \u00e9 \\u0001 \\\"q\\\" \\\\ &\"")]
    [DataRow("unicode|tojson(ensure_ascii=true)", """
        "na\u00efve \ud83d\ude42"
        """)]
    [DataRow("[1.0, 1e100, true, none, (1, 2)]|tojson", "[1.0, 1e+100, true, null, [1, 2]]")]
    [DataRow("{1: 2, none: 3, true: 4}|tojson", """{"1": 4, "null": 3}""")]
    public void Render_ToJson_WritesAsPython(string expression, string expected) => Check(expression, expected);

    [TestMethod]
    [DataRow("range(3)|list ~ range(5, 0, -2)|list", "[0, 1, 2][5, 3, 1]")]
    [DataRow("dict(a=1, b=2)", "{'a': 1, 'b': 2}")]
    [DataRow("namespace(a=1).a", "1")]
    [DataRow("strftime_now('%d %B %Y, %-d %b %y %A %j %H:%M:%S %I %p %%')", "09 March 2025, 9 Mar 25 Sunday 068 14:05:06 02 PM %")]
    public void Render_GlobalFunctions_PrintsAsJinja(string expression, string expected) => Check(expression, expected);

    private static void Check(string expression, string expected)
    {
        var options = new Microsoft.ML.Nlft.ChatTemplates.ChatTemplateOptions { TimeProvider = new FixedTime(new DateTime(2025, 3, 9, 14, 5, 6)) };
        Assert.AreEqual(expected, Render($"{{{{ {expression} }}}}", options));
    }
}
