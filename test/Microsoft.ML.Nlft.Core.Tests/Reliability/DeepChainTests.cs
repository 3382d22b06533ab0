using System.Text;
using System.Text.Json;
using Microsoft.ML.Nlft.ChatTemplates;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Evaluation;
using Microsoft.ML.Nlft.Feedback;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tests.ModelFiles;
using Microsoft.ML.Nlft.Tests.Tokenization;
using Microsoft.ML.Nlft.Tokenization;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Reliability;

/// <summary>
/// Nesting in files, texts and values ends in a refusal, or in a result, before it overflows a small stack. Chains inside templates are in
/// <see cref="ChatTemplates.TemplateGrowthTests"/>.
/// </summary>
[TestClass]
public sealed class DeepChainTests
{
    private const int Deep = 50_000, Accepted = 60; // JSON may nest 64 levels, of which a file's own keys are some

    private static readonly (string Name, Action<TemporaryFolder, string> Read)[] s_readers =
    [
        ("config", (folder, json) => ModelConfiguration.Load(folder.Write("config.json",
            $"{ModelConfigurationTests.Config().TrimEnd('}')},\"x\":{json}}}"))),
        ("adapter", (folder, json) =>
        {
            folder.Write("adapter_config.json", $"{{\"peft_type\":\"LORA\",\"r\":8,\"target_modules\":[\"up_proj\"],\"lora_alpha\":8,\"x\":{json}}}");
            LoraConfiguration.Load(folder.Path);
        }),
        ("rank pattern", (folder, json) =>
        {
            folder.Write("adapter_config.json", $"{{\"peft_type\":\"LORA\",\"r\":8,\"target_modules\":[\"up_proj\"],\"rank_pattern\":{json}}}");
            LoraConfiguration.Load(folder.Path);
        }),
        ("safetensors", (folder, json) =>
            SafetensorsFile.Open(folder.Write("a.safetensors", TemporaryFolder.Safetensors($"{{\"a\":{json}}}", 0))).Dispose()),
        ("index", (folder, json) =>
        {
            folder.Write("model.safetensors.index.json", $"{{\"weight_map\":{json}}}");
            ModelWeights.Open(folder.Path).Dispose();
        }),
        ("checkpoint", (folder, json) => CheckpointSummary.Load(folder.Write("step-00000001.safetensors", TemporaryFolder.Safetensors(
            $"{{\"__metadata__\":{{\"nlft.checkpoint\":{JsonSerializer.Serialize(json)},\"sha256\":\"\"}}}}", 0)))),
        ("nlft.json", (folder, json) =>
        {
            folder.Write("nlft.json", $"{{\"format\":1,\"settings\":{json}}}");
            LocalModelDescription.Load(folder.Path);
        }),
        ("JSON Lines", (folder, json) => DataFile.Read(folder.Write("rows.jsonl", $"{{\"Question\":\"a\",\"x\":{json}}}"))),
        ("JSON list", (folder, json) => DataFile.Read(folder.Write("rows.json", $"[{{\"Question\":\"a\",\"x\":{json}}}]"))),
        ("messages", (folder, json) => TrainingFile.Read(folder.Write("rows.jsonl", $"{{\"messages\":{json}}}"))),
        ("messages in a text", (folder, json) =>
            TrainingFile.Read(folder.Write("rows.jsonl", $"{{\"messages\":{JsonSerializer.Serialize(json)}}}"))),
        ("content", (folder, json) => TrainingFile.Read(folder.Write("rows.jsonl",
            $"{{\"messages\":[{{\"role\":\"assistant\",\"content\":{json}}}]}}"))),
        ("tools", (folder, json) => TrainingFile.Read(folder.Write("rows.jsonl",
            $"{{\"messages\":[{{\"role\":\"assistant\",\"content\":\"a\"}}],\"tools\":{json}}}"))),
        ("tokenizer", (folder, json) =>
        {
            folder.Write("tokenizer.json", $"{{\"model\":{{\"type\":\"BPE\",\"vocab\":{{\"a\":0}},\"merges\":[]}},\"normalizer\":{json}}}");
            HuggingFaceTokenizer.Load(folder.Path);
        }),
        ("tokenizer configuration", (folder, json) =>
        {
            folder.Write("tokenizer.json", "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[]}}");
            folder.Write("tokenizer_config.json", $"{{\"eos_token\":{json}}}");
            HuggingFaceTokenizer.Load(folder.Path);
        }),
        ("variable of a template", (_, json) => ChatTemplate.Parse("{{ x }}", "t.jinja").Render([new("user", "a")], false,
            new Dictionary<string, object?> { ["x"] = JsonElement.Parse(json, new() { MaxDepth = int.MaxValue }) })),
    ];

    public static IEnumerable<object[]> Readers => from reader in s_readers from brackets in (string[])["[]", "{}", "[{"]
        select new object[] { reader.Name, brackets };

    [TestMethod]
    [DynamicData(nameof(Readers))]
    public void Read_NestedJson_IsRefusedOnASmallStack(string name, string brackets)
    {
        var read = s_readers.Single(reader => reader.Name == name).Read;
        foreach (var (levels, isRefused) in ((int, bool)[])[(Accepted / 2, false), (Accepted, false), (100, true), (Deep, true)])
        {
            using var folder = new TemporaryFolder();
            var refusal = SmallStack.Run(() => read(folder, Nested(brackets, levels)));
            if (isRefused) Assert.IsNotNull(refusal, $"{levels} levels");
        }
    }

    private static readonly (string Key, string List, string Step)[] s_steps =
    [
        ("normalizer", "normalizers", """{"type":"NFC"}"""),
        ("pre_tokenizer", "pretokenizers", """{"type":"Whitespace"}"""),
        ("decoder", "decoders", """{"type":"Fuse"}"""),
        ("decoder", "decoders", """{"type":"Replace","pattern":{"String":"a"},"content":"b"}"""),
        ("post_processor", "processors", """{"type":"ByteLevel","trim_offsets":true,"add_prefix_space":true,"use_regex":true}"""),
    ];

    public static IEnumerable<object[]> Nestings => from step in s_steps from levels in (int[])[1, 8, 9, 20, 1_000]
        select new object[] { step.Key, step.List, step.Step, levels };

    [TestMethod]
    [DynamicData(nameof(Nestings))]
    public void Load_SequencesInSequences_AreRefusedBeyondEight(string key, string list, string inner, int levels)
    {
        var steps = Repeat($"{{\"type\":\"Sequence\",\"{list}\":[", levels) + inner + Repeat("]}", levels);
        Assert.AreEqual(levels > 8, UseSteps(key, steps) is not null);
    }

    public static IEnumerable<object[]> Lengths => from step in s_steps from count in (int[])[1, 100, 256, 257, 100_000]
        select new object[] { step.Key, step.List, step.Step, count };

    /// <summary>A decoder's step calls the next one.</summary>
    [TestMethod]
    [DynamicData(nameof(Lengths))]
    public void Load_ManySteps_AreRefusedBeyond256(string key, string list, string inner, int count)
    {
        var steps = $"{{\"type\":\"Sequence\",\"{list}\":[{string.Join(',', Enumerable.Repeat(inner, count))}]}}";
        var refusal = UseSteps(key, steps);
        Assert.AreEqual(count > 256, refusal is not null);
        if (refusal is not null) StringAssert.Contains(refusal.Message, $"\"{key}\": found more than 256 steps; expected at most 256.");
    }

    private static NlftException? UseSteps(string key, string steps)
    {
        using var folder = new TokenizerFolder();
        folder.File("tokenizer.json",
            $"{{\"{key}\":{steps},\"model\":{{\"type\":\"BPE\",\"vocab\":{{\"a\":0,\"b\":1}},\"merges\":[]}}}}");
        return SmallStack.Run(() =>
        {
            var tokenizer = HuggingFaceTokenizer.Load(folder.Path);
            tokenizer.Decode([.. tokenizer.EncodeToIds("ab")], skipSpecialTokens: false);
        });
    }

    public static IEnumerable<object[]> Expressions =>
    [
        ["(", "a", ")"], ["(?:", "a", ")*"], ["(a|", "b", ")"], ["(?=", "a", ")"], ["(?<=", "a", ")"], ["(?>", "a", ")+"], ["(?i:", "a", ")?"],
        ["a(?(1)", "b", ")"], ["(a{1,2}", "b", "){0,2}"], ["(?<!", "a", ")"], ["[a-z-[", "b", "]]"], ["[\\c]-", "b", "]"],
        ["[^a-", "b", "]"], ["a|", "b", ""], ["a*", "b", ""],
    ];

    [TestMethod]
    [DynamicData(nameof(Expressions))]
    public void Match_NestedExpression_NeverOverflowsASmallStack(string open, string inside, string close)
    {
        foreach (var levels in (int[])[100, 1_000, 5_000])
        {
            var pattern = Repeat(open, levels) + inside + Repeat(close, levels);
            var place = new JsonPlace(JsonSerializer.SerializeToElement(pattern), new JsonSource("tokenizer.json"), "pre_tokenizer.pattern.Regex");
            SmallStack.Run(() => RegexMatcher.Compile(place).Find(new string('a', 100), [], new TextBudget(100)));
            var lora = new LoraConfiguration { TargetPattern = pattern };
            SmallStack.Run(() => lora.Resolve("model.layers.0.mlp.up_proj"));
        }
    }

    [TestMethod]
    [DataRow("(", "1", ")")]
    [DataRow("-", "1", "")]
    [DataRow("1+(", "1", ")")]
    [DataRow("(-", "1", ")%")]
    [DataRow("2*-(", "1", ")/2")]
    [DataRow("\\boxed{", "1", "}")]
    [DataRow("\\frac{", "1", "}{2}")]
    [DataRow("\\text{\\left(", "1", "\\right)}")]
    [DataRow("#### ", "1", "")]
    [DataRow("<<", "1", "=1>>")]
    public void Judge_NestedExpression_NeverOverflowsASmallStack(string open, string inside, string close)
    {
        foreach (var levels in (int[])[10, 100, Deep])
        {
            var text = Repeat(open, levels) + inside + Repeat(close, levels);
            Assert.IsNull(SmallStack.Run(() =>
            {
                ArithmeticExpression.Evaluate(text);
                AnswerExtraction.FinalNumber(text);
                AnswerExtraction.GoldNumber(text);
                AnswerExtraction.PublishedModelAnswer(text);
            }));
        }
    }

    public static IEnumerable<object[]> Values => from value in (string[])["[ns.a]", "(ns.a,)", "{'k': ns.a}", "[ns.a, ns.a]", "{'k': [ns.a]}"]
        from use in (string[])["{{ ns.a }}", "{{ ns.a|tojson }}", "{{ ns.a|tojson(indent=1, sort_keys=true)|length }}", "{{ ns.a == ns.b }}",
            "{{ ns.a < ns.b }}", "{{ ns.a in [ns.b] }}", "{{ [ns.a, ns.b]|sort }}", "{{ [ns.a, ns.b]|unique|list }}", "{{ [ns.a, ns.b]|max }}",
            "{{ ns.a|string|length }}", "{{ [ns.a, ns.b]|join }}", "{{ ns.a is eq(ns.b) }}", "{{ ns.a is sameas(ns.b) }}", "{{ [ns.a].count(ns.b) }}",
            "{{ [ns.a].index(ns.b) }}", "{{ ns.a ~ ns.b }}", "{{ {ns.a: 1} }}", "{{ ns.a|sum(start=[]) }}", "{{ ns.a|upper }}",
            "{{ ns.a * 2 }}", "{{ ns.a + ns.b }}", "{{ ns }}", "{% for x in [1, 2] %}{{ loop.changed(ns.a) }}{% endfor %}"]
        select new object[] { value, use };

    [TestMethod]
    [DynamicData(nameof(Values))]
    public void Render_NestedValue_NeverOverflowsASmallStack(string value, string use)
    {
        var options = new ChatTemplateOptions { MaximumSteps = 1_000_000 };
        foreach (var levels in (int[])[10, 20_000])
        {
            var template = "{% set ns = namespace(a=1, b=1) %}{% for i in range(" + levels + ") %}{% set ns.a = " + value + " %}{% set ns.b = "
                + value.Replace("ns.a", "ns.b") + " %}{% endfor %}" + use;
            SmallStack.Run(() => ChatTemplate.Parse(template, "t.jinja", options: options).Render([new("user", "a")], false));
        }
    }

    [TestMethod]
    [DataRow("list")]
    [DataRow("dictionary")]
    [DataRow("both")]
    [DataRow("array")]
    [DataRow("itself")]
    public void Render_NestedVariable_IsRefused(string kind)
    {
        object? value = 1;
        for (var level = 0; level < Deep; level++)
        {
            value = kind == "list" || (kind == "both" && level % 2 == 0) ? new List<object?> { value }
                : kind == "array" ? new[] { value } : new Dictionary<string, object?> { ["k"] = value };
        }

        if (kind == "itself")
        {
            var list = new List<object?>();
            list.Add(list);
            value = list;
        }

        var refusal = SmallStack.Run(() =>
            ChatTemplate.Parse("{{ x }}", "t.jinja").Render([new("user", "a")], false, new Dictionary<string, object?> { ["x"] = value }));
        StringAssert.Contains(refusal!.Message, "levels of nesting");
    }

    private static string Nested(string brackets, int levels) => brackets switch
    {
        "[]" => Repeat("[", levels) + Repeat("]", levels),
        "{}" => Repeat("{\"a\":", levels) + "1" + Repeat("}", levels),
        _ => Repeat("[{\"a\":", levels / 2) + "1" + Repeat("}]", levels / 2),
    };

    private static string Repeat(string text, int count) => new StringBuilder(text.Length * count).Insert(0, text, count).ToString();
}
