using System.Text;

namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>Mutates chat templates with moved, repeated and nested language elements.</summary>
internal static class Words
{
    private static readonly string[] s_pieces =
    [
        "{% if messages %}", "{% endif %}", "{% else %}", "{% elif x %}", "{% for m in messages %}", "{% endfor %}",
        "{% for i in range(1000000000) %}", "{% set x = 'a' * 1000000000 %}", "{{ x }}", "{{ x ~ x ~ x }}",
        "{% set x = x + x %}", "{{ messages | tojson }}", "{{ messages[0]['content'] }}", "{{ messages[::-1] }}", "{{ messages[99] }}",
        "{{ 'a' | upper | trim }}", "{% macro f(a) %}", "{% endmacro %}", "{{ f(f) }}", "{{ raise_exception('no') }}",
        "{{ strftime_now('%Y') }}", "{%- ", " -%}", "{# ", " #}", "((((((((", "))))))))", "[[[[", "]]]]", "{{ -(-(-(-1))) }}", "{{ 1 // 0 }}",
        "{{ 1 % 0 }}", "{{ 2 ** 9999999 }}", "{{ 9999999999999999999 }}", "{{ 'x'.join(['a','b']) }}", "{{ 'abc'.split('') }}",
        "{{ 'x' * -1 }}", "{{ namespace(a=1).a }}", "{% set ns = namespace(a=[]) %}{% set ns.a = ns.a + [ns.a] %}{{ ns }}", "{{ ''.__class__ }}",
        "{{ messages.__init__.__globals__ }}", "{% include 'x' %}", "{% break %}", "{% continue %}", "{{ '%s' % 1 }}", "{{ '{}'.format(1) }}",
        "{{ '\\ud800' }}", "{{ not not not x }}", "{{ a if b else c if d else e }}", "{% generation %}", "{% endgeneration %}", "{% call f() %}",
        "{{ x is defined and x is string }}", "{{ loop.index }}", "{{ range(0, 10, 0) | list }}", "{% raw %}", "{% endraw %}", "\n", " ", "'", "\"",
        "\\",
    ];

    private static readonly Texts s_texts = new(Encoding.UTF8, Changes: 6, Part: 40, Longest: 8000);

    /// <summary>Inserts one to five elements, or moves, repeats or removes parts of the text.</summary>
    public static byte[] Mutate(Draw random, byte[] input) => random.Next(5) == 0 ? Bytes.Mutate(random, input)
        : s_texts.Mutate(random, input, kind => kind switch
        {
            2 when random.Next(30) == 0 => string.Concat(Enumerable.Repeat(s_pieces[random.Next(s_pieces.Length)], random.Next(1, 500))),
            3 when random.HasWords && random.Next(2) == 0 => Use(random, random.Word()),
            _ => s_pieces[random.Next(s_pieces.Length)],
        });

    /// <summary>Uses a word as a filter, a method, a test, an argument, a variable or a statement.</summary>
    private static string Use(Draw random, string word) => random.Next(8) switch
    {
        0 => $"{{{{ 'a b'|{word} }}}}",
        1 => $"{{{{ messages|{word} }}}}",
        2 => $"{{{{ 'a b'.{word}('a') }}}}",
        3 => $"{{{{ messages[0].{word}() }}}}",
        4 => $"{{{{ 1 is {word} }}}}",
        5 => $"{{{{ [3, 1, 2]|{word}({random.Word()}=1) }}}}",
        6 => $"{{% {word} %}}",
        _ => $" {word} ",
    };
}
