using System.Text.Json;
using Microsoft.ML.Nlft.ChatTemplates;
using static Microsoft.ML.Nlft.Tests.Reliability.Growth.GrowthCase;

namespace Microsoft.ML.Nlft.Tests.Reliability.Growth;

/// <summary>Long templates, and every filter, test and method of templates over long texts and lists.</summary>
internal static class TemplateGrowth
{
    /// <summary>
    /// Values to use: <c>s</c> is a text of n characters; <c>l</c>, <c>w</c>, <c>d</c> and <c>m</c> are lists and a mapping of n entries.
    /// </summary>
    private static readonly string[] s_uses =
    [
        // Filters.
        "s|default('')", "s|d('')", "l|length", "w|count", "l|first", "l|last", "l|list", "m|items|list", "w|join(',')",
        "d|join(',', attribute='k')", "l|reverse|list", "s|reverse", "w|sort", "l|sort(reverse=true)", "d|sort(attribute='k')", "m|dictsort",
        "m|dictsort(by='value')", "w|unique|list", "l|min", "w|max", "d|map(attribute='k')|list", "w|map('upper')|list", "l|select('odd')|list",
        "l|reject('odd')|list", "d|selectattr('k', 'eq', 1)|list", "d|rejectattr('k', 'eq', 1)|list", "l|map('abs')|list", "l|map('float')|list",
        "l|map('int')|list", "l|map('round')|list", "l|sum", "d|sum(attribute='k')", "s|attr('upper') is none", "l|string", "d|string", "s|safe",
        "s|upper", "s|lower", "s|capitalize", "s|title", "s|trim", "s|trim('ab')", "s|replace('a', 'bb')", "s|replace('', '-')", "s|indent(2)",
        "t|indent(2, true, true)", "s|escape", "s|e", "s|wordcount", "t|wordcount", "s|tojson", "d|tojson", "m|tojson(indent=2, sort_keys=true)",
        "s|int", "('1' ~ '0' * s|length)|float", "s|float", "-1|abs", "1.5|round",
        // Methods of texts.
        "s.strip()", "s.strip('ab')", "t.lstrip()", "t.rstrip()", "s.startswith('ab')", "s.endswith('ab')", "s.removeprefix('a')",
        "s.removesuffix('b')", "s.split('a')", "t.split()", "s.rsplit('a')", "t.rsplit()", "s.split('a', 3)", "s.rsplit('a', 3)", "t.splitlines()",
        "t.splitlines(true)", "s.partition('bb')", "s.rpartition('bb')", "','.join(w)", "s.replace('a', 'bb')", "s.replace('ab', '', 5)",
        "s.count('ab')", "s.find('bb')", "s.rfind('bb')", "s.find(s[1:] ~ 'x')", "s.index('ab')", "s.rindex('ab')", "s.upper()", "s.lower()",
        "s.capitalize()", "s.title()", "s.swapcase()", "s.isspace()", "s.isdigit()", "s.isalpha()", "s.isalnum()", "s.isascii()", "s.isupper()",
        "s.islower()", "s.istitle()", "'a'.ljust(s|length)", "'a'.rjust(s|length)", "'a'.center(s|length)", "'1'.zfill(s|length)",
        // Methods of lists and mappings, and operators.
        "m.keys()|list", "m.values()|list", "m.items()|list", "m.get('k1')", "m.copy()", "l.count(1)", "l.index(1)", "l.copy()", "dict(m)",
        "namespace(x=m)", "s == s ~ ''", "s < s ~ 'a'", "'bb' in s", "s in [s ~ '']", "'k1' in m", "-1 in l", "l == l[:]", "m == m.copy()",
        "s[::-1]", "l[1:]", "s ~ s", "s + s", "l + l", "s * 2", "[1] * s|length", "'%s'|string ~ s", "range(s|length)|list", "l is iterable",
        "s is upper", "s is lower", "s is eq(s ~ '')", "s is in([s])", "strftime_now(s)", "s[5]", "s|length",
        // Statements.
        "{% for x in l %}{{ x }}{% endfor %}", "{% for x in l if x is odd %}{{ loop.index }}{% endfor %}",
        "{% for k, v in m.items() %}{{ k }}{% endfor %}", "{% for x in d %}{{ x.k }}{{ loop.cycle('a', 'b') }}{{ loop.changed(x.k) }}{% endfor %}",
        "{% for x in l %}{{ loop.previtem }}{{ loop.revindex }}{% endfor %}", "{% set x %}{{ s }}{% endset %}{{ x }}",
        "{% macro f(a) %}{{ a }}{% endmacro %}{% for x in l %}{{ f(x) }}{% endfor %}",
        "{% for x in l %}{% set y = x %}{% if y == 1 %}{% continue %}{% endif %}{% endfor %}", "{% generation %}{{ s }}{% endgeneration %}",
    ];

    private static readonly (string Name, Func<int, string> Text)[] s_templates =
    [
        ("literals side by side", n => "{{ " + Repeat("'a' ", n) + "}}"),
        ("named arguments", n => "{% if false %}{{ f(" + Join(n, i => $"a{i}=1") + ") }}{% endif %}"),
        ("arguments", n => "{% if false %}{{ f(" + Join(n, i => $"{i}") + ") }}{% endif %}"),
        ("parameters", n => "{% macro f(" + Join(n, i => $"a{i}=1") + ") %}{% endmacro %}"),
        ("entries", n => "{% set x = {" + Join(n, i => $"{i}:1") + "} %}"),
        ("items", n => "{% set x = [" + Join(n, i => $"{i}") + "] %}"),
        ("parts", n => "{{ 'a'" + Repeat(" ~ 'a'", n) + " }}"),
        ("comparisons", n => "{% if 1" + Repeat(" < 2", n) + " %}{% endif %}"),
        ("branches", n => "{% if false %}" + Repeat("{% elif false %}", n) + "{% endif %}"),
        ("comments", n => Repeat("{# a #} ", n)),
        ("raw blocks", n => Repeat("{% raw %}{{{% endraw %}", n)),
        ("texts", n => Repeat("{ a \n  {% set x = 1 %}", n)),
        ("trimmed texts", n => Repeat("{%- set x = 1 -%} \n ", n)),
        ("spaces before a trimmed block", n => Repeat(" ", n) + "{%- set x = 1 %}"),
        ("variables", n => string.Concat(Numbers(n).Select(i => $"{{% set x{i} = 1 %}}"))),
        ("macros", n => string.Concat(Numbers(n).Select(i => $"{{% macro f{i}() %}}{{% endmacro %}}"))),
        ("targets of a loop", n => "{% for " + Join(n, i => $"a{i}") + " in [] %}{% endfor %}"),
        ("one long name", n => "{% set " + Repeat("a", n) + " = 1 %}"),
        ("one long text", n => "{{ '" + Repeat("\\n", n) + "' }}"),
        ("one long number", n => "{% set x = 1." + Repeat("1", n) + " %}"),
        ("one long comment", n => "{# " + Repeat("{", n) + " #}"),
        ("open braces", n => Repeat("{ ", n)),
    ];

    public static IReadOnlyList<GrowthCase> All { get; } =
    [
        .. from use in s_uses from unit in (string[])["ab", "\u00df&"] where unit == "ab" || use.Contains('s') select Use(use, unit),
        .. s_templates.Select(template => Of($"template: {template.Name}", "chat_template.jinja", template.Text, path =>
            ChatTemplate.Load(Path.GetDirectoryName(path)!)!.Render([new("user", "a")], false))),
        new("templates of a configuration", (folder, n) =>
        {
            folder.Write("tokenizer_config.json",
                $"{{\"chat_template\":[{{\"name\":\"default\",\"template\":\"\"}},{Join(n, i => $"{{\"name\":\"t{i}\",\"template\":\"\"}}")}]}}");
            return () => ChatTemplate.Load(folder.Path);
        }),
        new("messages", (folder, n) =>
        {
            var turns = Numbers(n).Select(i => new ChatTurn(i % 2 == 0 ? "user" : "assistant", "a")).ToArray();
            var template = ChatTemplate.Parse("{% for m in messages %}{{ m.role }}{{ m['content'] }}{% endfor %}", "t.jinja");
            return () => template.Render(turns, false);
        }),
    ];

    /// <summary>A template with one expression or statement, rendered with long values.</summary>
    private static GrowthCase Use(string use, string unit) => new($"{use} of {JsonSerializer.Serialize(unit)}", (_, n) =>
    {
        var template = ChatTemplate.Parse(use.StartsWith("{%", StringComparison.Ordinal) ? use : $"{{% set x = {use} %}}", "t.jinja");
        var variables = new Dictionary<string, object?>
        {
            ["s"] = Repeat(unit, n / 2), ["t"] = Repeat("a b\n ", n / 5), ["l"] = Numbers(n).ToList(),
            ["w"] = Numbers(n).Select(i => $"w{(i * 7919) % n}").ToList(),
            ["m"] = Numbers(n).ToDictionary(i => $"k{i}", i => i),
            ["d"] = Numbers(n).Select(i => new Dictionary<string, object?> { ["k"] = i }).ToList(),
        };
        return () => Rendered(template, variables);
    });

    /// <summary>What a refusal takes counts too: some texts are no numbers, and some have no such part.</summary>
    private static string Rendered(ChatTemplate template, Dictionary<string, object?> variables)
    {
        try
        {
            return template.Render([new("user", "a")], false, variables);
        }
        catch (NlftException refusal)
        {
            return refusal.Found;
        }
    }
}
