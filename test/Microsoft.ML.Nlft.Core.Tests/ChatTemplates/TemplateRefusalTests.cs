using System.Text.Json;
using Microsoft.ML.Nlft.ChatTemplates;
using static Microsoft.ML.Nlft.Tests.ChatTemplates.TemplateFixture;

namespace Microsoft.ML.Nlft.Tests.ChatTemplates;

/// <summary>Tests the messages of refused templates.</summary>
[TestClass]
public sealed class TemplateRefusalTests
{
    [TestMethod]
    [DataRow("{{ 1", "line 1, column 1: found a tag that does not end; expected '}}'")]
    [DataRow("a\n {{ a b }}", "line 2, column 7: found 'b'; expected '}}'")]
    [DataRow("{{ }}", "line 1, column 4: found '}}'; expected an expression")]
    [DataRow("{{ 1 + }}", "line 1, column 8: found '}}'; expected an expression")]
    [DataRow("{{ (1 }}", "line 1, column 7: found '}'; expected ')'")]
    [DataRow("{{ ) }}", "line 1, column 4: found ')'; expected an opening bracket before it")]
    [DataRow("{{ 'a }}", "line 1, column 4: found a string that does not end; expected '")]
    [DataRow("{{ a.'b' }}", "line 1, column 6: found a string; expected a name or a number after '.'")]
    [DataRow("{{ @ }}", "line 1, column 4: found the character '@'; expected a name, a literal or an operator")]
    [DataRow(@"{{ '\u12' }}", @"line 1, column 5: found a broken escape \u; expected 4 hexadecimal digits of a character")]
    [DataRow("{{ 99999999999999999999 }}", "line 1, column 4: found the integer 99999999999999999999; expected an integer of at most 64 bits")]
    [DataRow("{{ f(a=1, 2) }}", "line 1, column 11: found '2'; expected an argument by name, as the one before")]
    [DataRow("{{ f(*a) }}", "line 1, column 6: found '*'; expected an argument by position or by name")]
    [DataRow("{{ a is string is string }}", "line 1, column 16: found 'is'; expected 'and' or 'or' between two tests")]
    [DataRow("{% if true %}\nx", "line 2, column 2: found the end of the template; expected endif")]
    [DataRow("{% if true %}{% endfor %}", "line 1, column 17: found 'endfor'; expected 'endif'")]
    [DataRow("x\n{% else %}", "line 2, column 4: found 'else'; expected a statement that it ends")]
    [DataRow("{% for x %}{% endfor %}", "line 1, column 10: found '%}'; expected 'in'")]
    [DataRow("{% for x in a recursive %}{% endfor %}", "line 1, column 15: found a recursive for; expected a for that is not recursive")]
    [DataRow("{% break %}", "line 1, column 4: found 'break' outside of a loop; expected it inside a for block")]
    [DataRow("{% set true = 1 %}", "line 1, column 8: found 'true' assigned to; expected a name")]
    [DataRow("{% macro f(a=1, b) %}{% endmacro %}", "line 1, column 17: found the parameter b without default after one with; expected a default")]
    [DataRow(
        "{% include 'x' %}",
        "line 1, column 4: found the statement 'include'; expected if, for, set, macro, generation, break, continue, raw or a comment")]
    [DataRow("a {# b", "line 1, column 3: found a comment that does not end; expected '#}'")]
    [DataRow("{% raw %}x", "line 1, column 1: found a raw block that does not end; expected '{% endraw %}'")]
    public void Parse_MalformedTemplate_NamesLineColumnAndConstruct(string template, string message) =>
        StringAssert.StartsWith(Refuse(template).Message, "t.jinja, " + message);

    [TestMethod]
    [DataRow("""{"a":1,"a":2}""", ", \"a\": found the key twice, the second time in line 1, column 8;")]
    [DataRow("""{"a":[0,{"b":1,"\u0062":2}]}""", ", \"a[1].b\": found the key twice")]
    [DataRow("""["\ud800"]""", ", \"[0]\": found half of a surrogate pair;")]
    [DataRow("""{"\udfff":1}""", ", a property name: found half of a surrogate pair;")]
    [DataRow("DEEP", ": found invalid JSON (line 1, column 65: ")]
    public void Render_JsonVariableThatBreaksARule_NamesThePlace(string json, string message)
    {
        if (json == "DEEP") json = new string('[', 65) + new string(']', 65);
        using var variable = JsonDocument.Parse(json, new() { MaxDepth = 1000 });
        foreach (object value in (object[])[variable, variable.RootElement])
        {
            StringAssert.StartsWith(Assert.ThrowsExactly<NlftException>(() => Render("{{ tools }}", value)).Message,
                "variable tools of the chat template" + message);
        }
    }

    [TestMethod]
    public void Render_JsonVariable_IsReadAsItWasParsed()
    {
        using var variable = JsonDocument.Parse("[1, /* two */ 2.5, {\"b\": null},]",
            new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true });
        Assert.AreEqual("[1, 2.5, {'b': None}]", Render("{{ tools }}", variable));
        Assert.AreEqual("[[1, 2.5, {'b': None}]]", Render("{{ tools }}", new[] { variable.RootElement }));
        Assert.AreEqual("None", Render("{{ tools }}", default(JsonElement)));
    }

    private static string Render(string template, object tools) => ChatTemplate.Parse(template, "t.jinja").Render(
        [new ChatTurn("user", "Q")], addGenerationPrompt: true, new Dictionary<string, object?> { ["tools"] = tools });

    [TestMethod]
    [DataRow("a\n{{ missing.x }}", "line 2, column 11: found an undefined value: 'missing' is undefined; expected a value that is defined")]
    [DataRow("{{ map.zz.y }}", "line 1, column 10: found an undefined value: a mapping has no attribute 'zz'")]
    [DataRow("{{ missing() }}", "line 1, column 11: found an undefined value: 'missing' is undefined")]
    [DataRow("{{ 'a' + missing }}", "line 1, column 8: found an undefined value: 'missing' is undefined")]
    [DataRow(
        "{{ 'a' + 1 }}",
        "line 1, column 8: found '+' between a string and an integer; expected two numbers, or two values of one kind that can be joined")]
    [DataRow("{{ 1 < 'a' }}", "line 1, column 6: found '<' between an integer and a string; expected two numbers, two strings or two lists")]
    [DataRow("{{ 1 / 0 }}", "line 1, column 6: found a division by zero; expected another divisor")]
    [DataRow("{{ 9223372036854775807 + 1 }}", "line 1, column 24: found an integer result of '+' beyond 64 bits; expected smaller numbers")]
    [DataRow("{{ 'a%s' % 1 }}", "line 1, column 10: found '%' to format a string; expected '~' or '+' to join strings")]
    [DataRow("{% for x in nothing %}{% endfor %}", "line 1, column 13: found none to iterate over; expected a list, a mapping or a string")]
    [DataRow("{% for a, b in [[1]] %}{% endfor %}", "line 1, column 8: found 1 values for 2 names; expected one value per name")]
    [DataRow("{% set map.x = 1 %}", "line 1, column 8: found an attribute set on a mapping; expected a namespace")]
    [DataRow("{{ numbers.append(1) }}", "line 1, column 18: found append(), which changes a value; expected an expression that makes a new value")]
    [DataRow("{{ text.format(1) }}", "line 1, column 8: found the string method format")]
    [DataRow("{{ text|nosuch }}", "line 1, column 9: found the filter 'nosuch'; expected one of abs, attr,")]
    [DataRow("{{ text is nosuch }}", "line 1, column 12: found the test 'nosuch'; expected one of !=,")]
    [DataRow("{{ text|upper(1) }}", "line 1, column 9: found 1 arguments of upper; expected none")]
    [DataRow("{{ text|trim(x=1) }}", "line 1, column 9: found the argument x of trim; expected chars")]
    [DataRow("{% macro f(a) %}{% endmacro %}{{ f(1, 2) }}", "line 1, column 35: found 2 arguments of f; expected at most 1")]
    [DataRow("{{ range(100001)|list }}", "line 1, column 9: found a range of 100001 numbers; expected at most 100000")]
    [DataRow("{{ missing|tojson }}", "line 1, column 12: found an undefined value: 'missing' is undefined")]
    [DataRow("{{ numbers|map('string') }}", "line 1, column 12: found a generator to print; expected a value that has a text")]
    public void Render_FaultyTemplate_NamesLineColumnAndConstruct(string template, string message) =>
        StringAssert.StartsWith(Refuse(template).Message, "t.jinja, " + message);

    [TestMethod]
    public void Render_RaiseException_CarriesTheTemplatesOwnMessage()
    {
        var exception = Refuse("{% if true %}\n  {{ raise_exception('Roles must ' + 'alternate!') }}{% endif %}");
        Assert.AreEqual("t.jinja, line 2, column 21", exception.Subject);
        StringAssert.Contains(exception.Found, "\"Roles must alternate!\"");
    }

    [TestMethod]
    [DataRow("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "levels of nesting", DisplayName = "endless recursion")]
    [DataRow(
        "{% set s = namespace(x='aaaaaaaaaaaaaaaa') %}{% for i in range(60) %}{% set s.x = s.x + s.x %}{% endfor %}",
        "MaximumLength",
        DisplayName = "doubling a text")]
    [DataRow(
        "{% set s = namespace(x=[1]) %}{% for i in range(60) %}{% set s.x = s.x + s.x %}{% endfor %}",
        "steps|MaximumLength",
        DisplayName = "doubling a list")]
    [DataRow("{{ 'a' * 9000000000000000000 }}", "MaximumLength", DisplayName = "a huge repetition")]
    [DataRow("{{ text|indent(2000000000) }}", "MaximumLength", DisplayName = "a huge indent")]
    [DataRow("{{ 'a'.center(2000000000) }}", "MaximumLength", DisplayName = "a huge padding")]
    [DataRow("{{ ('a' * 100000).replace('a', 'b' * 100000) }}", "MaximumLength", DisplayName = "a huge replacement")]
    [DataRow("{% for i in range(100000) %}{{ text * 100 }}{% endfor %}", "MaximumLength", DisplayName = "endless output")]
    [DataRow("{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}", "steps", DisplayName = "nested loops")]
    [DataRow(
        "{% set s = namespace(x=1) %}{% for i in range(40) %}{% set s.x = [s.x, s.x] %}{% endfor %}{{ s.x }}",
        "steps|MaximumLength",
        DisplayName = "a value that prints itself exponentially")]
    [DataRow(
        "{% set s = namespace(x=1) %}{% for i in range(40) %}{% set s.x = [s.x, s.x] %}{% endfor %}{{ s.x|tojson }}",
        "steps|MaximumLength",
        DisplayName = "the same value as JSON")]
    [DataRow(
        "{% set s = namespace(x=[]) %}{% for i in range(90000) %}{% set s.x = [s.x] %}{% endfor %}{{ s.x|tojson }}",
        "too deep",
        DisplayName = "a value nested too deeply")]
    [DataRow(
        "{% set s = namespace(x=[], y=[]) %}{% for i in range(90000) %}{% set s.x = [s.x] %}{% set s.y = [s.y] %}{% endfor %}{{ s.x == s.y }}",
        "too deep",
        DisplayName = "a comparison nested too deeply")]
    public void Render_HostileTemplate_StopsAtALimit(string template, string limit)
    {
        var message = Refuse(template).Message;
        Assert.IsTrue(limit.Split('|').Any(part => message.Contains(part, StringComparison.Ordinal)), message);
    }

    [TestMethod]
    [DataRow("(", ")")]
    [DataRow("[", "]")]
    [DataRow("not ", "")]
    [DataRow("-", "")]
    [DataRow("1 if 1 else ", "")]
    public void Parse_DeeplyNestedExpression_IsRefused(string open, string close)
    {
        var template = "{{ " + string.Concat(Enumerable.Repeat(open, 50_000)) + "1" + string.Concat(Enumerable.Repeat(close, 50_000)) + " }}";
        StringAssert.Contains(Refuse(template).Message, "nesting");
    }

    [TestMethod]
    public void Parse_DeeplyNestedBlocks_AreRefused() =>
        StringAssert.Contains(Refuse(string.Concat(Enumerable.Repeat("{% if 1 %}", 50_000))).Message, "nesting");

    [TestMethod]
    public void Render_LongChain_IsRefused() =>
        StringAssert.Contains(Refuse("{{ 1" + string.Concat(Enumerable.Repeat(" + 1", 50_000)) + " }}").Message, "levels of nesting");

    [TestMethod]
    public void Render_LimitsInOptions_AreEnforced()
    {
        var few = new ChatTemplateOptions { MaximumSteps = 50 };
        StringAssert.Contains(Refuse("{% for i in range(100) %}{% endfor %}", few).Message, "more than 50 steps");
        StringAssert.Contains(Refuse("{{ 'abcdef' }}", new ChatTemplateOptions { MaximumLength = 5 }).Message, "MaximumLength = 5");
        Assert.AreEqual("option MaximumDepth", Refuse("x", new ChatTemplateOptions { MaximumDepth = 3 }).Subject);
    }
}
