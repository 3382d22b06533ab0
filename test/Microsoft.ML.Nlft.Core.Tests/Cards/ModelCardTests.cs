using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.Nlft.Cards;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Evaluation;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Tests.Training;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Cards;

[TestClass]
public sealed class ModelCardTests
{
    private static ModelCard Card(string text = "plain") => new()
    {
        BaseModel = $"org/{text}",
        Method = "NLFT",
        Tags = ["nlft", text],
        Date = new DateOnly(2031, 2, 3),
        Data = new ModelCardData(3, 4, [text, "second.jsonl"]),
        Options = [new("LoRA", "Rank", "16"), new("LoRA", text, text), new(text, "Epochs", "10")],
        Training = new ModelCardTraining(6, 9, 1.25, 0.5, 0.25, 0.75, 1234, Cancelled: true),
        Evaluation = new ModelCardEvaluation(text, 3, 1, 10),
    };

    private const string Paper = "[arXiv 2412.20382](https://arxiv.org/abs/2412.20382)";
    private const string Tensors = "add_generation_prompt=True, return_tensors=\"pt\", return_dict=True";

    [TestMethod]
    public void ToMarkdown_Adapter_DescribesDataOptionsMetricsAndUse() => Assert.AreEqual($$$"""
        ---
        base_model: "org/plain"
        base_model_relation: adapter
        library_name: peft
        pipeline_tag: text-generation
        tags:
        - "nlft"
        - "plain"
        - "lora"
        ---

        # `plain`, fine-tuned

        A LoRA adapter for `org/plain`, trained by Natural Language Fine-Tuning ({{{Paper}}}). The base model is not part of it.

        Trained on 2031-02-03.

        ## Data

        7 rows: 3 with a right response, 4 with a wrong one and a judgment of it.

        Sources:

        - `plain`
        - `second.jsonl`

        ## Options

        | `LoRA` | Value |
        |---|---|
        | `Rank` | `16` |
        | `plain` | `plain` |

        | `plain` | Value |
        |---|---|
        | `Epochs` | `10` |

        ## Metrics

        - Steps: 6 of 9: the run was stopped early
        - Tokens seen: 1234
        - Loss: 1.2500 at the first step, 0.5000 at the last
        - Token accuracy: 0.2500 at the first step, 0.7500 at the last
        - Exact match on `plain`: 3 of 10, 30.0 % (95 % Wilson interval 10.8 % to 60.3 %); 1 without a final answer

        ## How to use

        From .NET, with Microsoft.ML.Nlft:

        ```csharp
        using var model = LocalModel.Load("models/plain", new() { Adapter = LoraAdapter.Load("this-folder") });
        Console.WriteLine(model.Answer(["What is 2 + 3?"])[0].Text);
        ```

        In an ML.NET pipeline, where nlft.json lies beside this file: `mlContext.Nlft().Load("this-folder")`.

        From Python:

        ```python
        from transformers import AutoModelForCausalLM, AutoTokenizer
        from peft import PeftModel

        tokenizer = AutoTokenizer.from_pretrained("org/plain")
        model = AutoModelForCausalLM.from_pretrained("org/plain")
        model = PeftModel.from_pretrained(model, "this-folder")
        inputs = tokenizer.apply_chat_template([{"role": "user", "content": "What is 2 + 3?"}], {{{Tensors}}})
        print(tokenizer.decode(model.generate(**inputs, max_new_tokens=512)[0], skip_special_tokens=True))
        ```

        <!-- Written by Microsoft.ML.Nlft, which replaces this file when it saves the model again: delete this line to keep your changes. -->

        """.ReplaceLineEndings("\n"), Card().ToMarkdown(ModelCardKind.Adapter));

    [TestMethod]
    public void ToMarkdown_MergedAndUnknown_DescribesAWholeModelAndSaysNotRecorded()
    {
        var text = new ModelCard { BaseModel = "base" }.ToMarkdown(ModelCardKind.Merged);
        StringAssert.StartsWith(text, "---\nbase_model: \"base\"\nbase_model_relation: finetune\nlibrary_name: transformers\n");
        StringAssert.Contains(text, "\n`base`, fine-tuned. The LoRA adapter is merged into the weights");
        Assert.AreEqual(3, Regex.Count(text, "^Not recorded\\.$", RegexOptions.Multiline), "data, options, metrics");
        StringAssert.Contains(text, "LocalModel.Load(\"this-folder\");\n");
        StringAssert.Contains(text, "\nmodel = AutoModelForCausalLM.from_pretrained(\"this-folder\")\n");
        Assert.DoesNotContain("peft", text);
        StringAssert.Contains((Card() with { Evaluation = null }).ToMarkdown(ModelCardKind.Merged), "\n- Not evaluated.\n");
    }

    public static IEnumerable<object[]> HostileTexts => new[]
    {
        "a\nb", "---\n", "\n---\nlicense: mit", "\r\n# heading", "\"", "\\", "\\\"", "x\": y\n- z", "`", "```", "``` \n```python\nimport os",
        "a ``b` c", "|", "a | b |\n|---|",
        "<script>alert(1)</script>", "<!-- ", "-->", "[x](javascript:y)", "![](http://x/y.png)", "*b* _i_ ~s~", "${{x}}", "{", "!!python/object",
        "\u0000\u0007\u007F\u0085",
        "\u2028\u2029\u202E\uFEFF\uFFFE", "\uD800", "\uDC00 lone", "\U0001F600 \u00FC", "\U000E0001", "", " ", "\t", " `", "C:\\models\\new", "null",
        "- x", "#", "@everyone",
        new string('`', 40), "&lt;b&gt;", "'", "''", "%", "\u202Eabc",
    }.Select(text => new object[] { text });

    /// <summary>Checks that the card keeps its lines with any user text.</summary>
    [TestMethod]
    [DynamicData(nameof(HostileTexts))]
    public void ToMarkdown_HostileText_KeepsTheCardWhole(string text)
    {
        foreach (var kind in Enum.GetValues<ModelCardKind>())
        {
            string[] plain = Card().ToMarkdown(kind).Split('\n'), hostile = Card(text).ToMarkdown(kind).Split('\n');
            Assert.HasCount(plain.Length, hostile);
            foreach (var (expected, actual) in plain.Zip(hostile))
            {
                Assert.IsFalse(actual.Any(c => char.IsControl(c) || c is '\u2028' or '\u2029' or '\u202E' or '\uFEFF'), actual);
                var place = expected.IndexOf("plain", StringComparison.Ordinal);
                if (place < 0) Assert.AreEqual(expected, actual);
                else StringAssert.StartsWith(actual, expected[..expected[..place].LastIndexOfAny(['`', '"'])]);
            }
            if (kind == ModelCardKind.Adapter)
            {
                Assert.AreEqual(Well($"org/{text}"), Unquote(hostile[1]["base_model: ".Length..]));
                Assert.AreEqual(Well(text), Unquote(hostile[7]["- ".Length..]));
            }
        }
        var code = CardText.Code(text);
        if (string.IsNullOrWhiteSpace(Visible(text))) Assert.AreEqual("(empty)", code);
        else Assert.AreEqual(Visible(text), Span(code), "a code span shows the text");
        StringAssert.Matches(code, new Regex(@"\A([^|\\]|\\+[^|\\]|\\+\|)*\\*[^|]*\z"));
    }

    /// <summary>Replaces lone surrogates, as UTF-8 does.</summary>
    private static string Well(string text) => string.Concat(text.EnumerateRunes());

    private static string Visible(string text) => string.Concat(text.EnumerateRunes().Select(rune =>
        rune.Value is < 32 or 127 or 0x85 or 0x2028 or 0x2029 or 0x202E or 0xFEFF or 0xFFFE or 0xE0001 ? " " : rune.ToString()));

    /// <summary>Parses a double-quoted YAML scalar; JSON's reader supports all its escapes except \U.</summary>
    private static string Unquote(string scalar) => JsonSerializer.Deserialize<string>(
        Regex.Replace(scalar, @"\\U([0-9A-F]{8})", match => char.ConvertFromUtf32(Convert.ToInt32(match.Groups[1].Value, 16))))!;

    /// <summary>Returns the content of a code span by CommonMark 0.31, section 6.1, and GitHub's table rules.</summary>
    private static string Span(string span)
    {
        var fence = Regex.Match(span, "^`+").Value;
        Assert.IsGreaterThan(0, fence.Length);
        var inside = span[fence.Length..];
        var end = Regex.Match(inside, $"(?<!`){fence}(?!`)");
        Assert.AreEqual(inside.Length, end.Index + fence.Length, "the span ends where the text does");
        inside = inside[..end.Index];
        if (inside.StartsWith(' ') && inside.EndsWith(' ') && inside.Trim(' ').Length > 0) inside = inside[1..^1];
        return inside.Replace("\\|", "|", StringComparison.Ordinal);
    }

    [TestMethod]
    public void Options_EveryProperty_IsListedWithItsValue()
    {
        var options = ModelCardOption.Of("Training", new FineTuneOptions { LearningRate = 1e-4, Optimizer = new AdamWOptions { WeightDecay = 0.5 } });
        string[] names =
        [
            "Epochs", "BatchSize", "MicroBatchSize", "LearningRate", "Schedule", "WarmupRatio", "Optimizer.Beta1", "Optimizer.Beta2",
            "Optimizer.Epsilon",
            "Optimizer.WeightDecay", "Optimizer.MaximumGradientNorm", "Refresh", "Reduction", "Shuffle", "Seed", "ReturnPartialOnCancel",
        ];
        foreach (var name in names) Assert.ContainsSingle(option => option.Name == name, options, name);
        Assert.AreEqual("0.0001", Value("LearningRate"));
        Assert.AreEqual("0.5", Value("Optimizer.WeightDecay"));
        Assert.AreEqual("Cosine", Value("Schedule"));
        Assert.AreEqual("true", Value("Shuffle"));

        options = ModelCardOption.Of("LoRA", new LoraConfiguration { Layers = [0, 2], RankPattern = new Dictionary<string, int> { ["a|b"] = 3 } });
        Assert.AreEqual("[\"gate_proj\", \"up_proj\", \"down_proj\"]", Value("TargetModules"));
        Assert.AreEqual("[0, 2]", Value("Layers"));
        Assert.AreEqual("{\"a|b\": 3}", Value("RankPattern"));
        Assert.AreEqual("{}", Value("AlphaPattern"));
        Assert.AreEqual("none", Value("TargetPattern"));
        Assert.AreEqual("\"{question}\\u000A\\u000AJudgment: {judgment}\"",
            ModelCardOption.Of("Prompts", new PromptOptions()).Single(option => option.Name == "JudgeUser").Value);
        Assert.IsEmpty(ModelCardOption.Of("LoRA", (LoraConfiguration?)null));

        string Value(string name) => options.Single(option => option.Name == name).Value;
    }

    [TestMethod]
    public void Of_RowsRunAndEvaluation_SummarizesThem()
    {
        TrainingExample Row(string source, string? judgment = null) =>
            new() { Question = "q", Response = "r", Answer = "a", Judgment = judgment, Source = source };
        var rows = new[] { Row("/data/a.jsonl, line 1"), Row("/data/a.jsonl, line 22", "wrong"), Row("b, c.jsonl, line 3", " "), Row("row 4"),
            Row("d\\e.jsonl, line 1") };
        var data = ModelCardData.Of(rows);
        Assert.AreEqual((5, 4, 1), (data.Rows, data.Correct, data.Incorrect));
        CollectionAssert.AreEqual(new[] { "a.jsonl", "b, c.jsonl", "e.jsonl" }, data.Sources.ToArray());
        CollectionAssert.AreEqual(new[] { "as given" }, ModelCardData.Of(rows, ["as given"]).Sources.ToArray());

        var run = new TrainingRun(new TableLanguageModel(Rows.Vocabulary), Rows.Seven(), new LikelihoodObjective());
        Assert.AreEqual(new ModelCardTraining(0, 0, null, null, null, null, 0, Cancelled: true),
            run.Card(new FineTuneResult([], Cancelled: true)).Training);
        StringAssert.Contains((Card() with { Training = run.Card(new FineTuneResult([], false)).Training }).ToMarkdown(ModelCardKind.Adapter),
            "- Loss: none at the first step, none at the last\n");
        var evaluation = ExactMatchEvaluator.Evaluate(["#### 1", "#### 2", "nothing"], ["#### 1", "#### 3", "#### 4"], AnswerComparison.Number);
        Assert.AreEqual(new ModelCardEvaluation("set", 1, 1, 3), ModelCardEvaluation.Of("set", evaluation));
    }

    [TestMethod]
    public void ToMarkdown_Validation_NamesTheBestAndItsWeights()
    {
        var card = Card() with { Validation = new(12, 5, 8, 2, 0.25, 1.5) { KeptBest = true, StoppedEarly = true, Accuracy = 0.8, Answered = 10 } };
        Assert.Contains("- Validation: 12 rows held out, evaluated 5 times; the run stopped early, because the evaluations gained nothing\n"
            + "- Best validation loss: 0.2500 after step 8, epoch 2.00; 1.5000 before training. The weights are those of that step\n"
            + "- Validation accuracy there: 80.0 % of 10 questions\n", card.ToMarkdown(ModelCardKind.Adapter));
        Assert.Contains("- Validation: 3 rows held out, evaluated 2 times\n"
            + "- Best validation loss: 0.2500 after step 8, epoch 0.50. The weights are those of the last step\n- Exact match",
            (card with { Validation = new(3, 2, 8, 0.5, 0.25, null) }).ToMarkdown(ModelCardKind.Merged));
    }

    [TestMethod]
    public void Card_RunWithValidation_ShowsItsFiguresAndOptions()
    {
        var rows = Rows.Seven();
        EncodedExample held = new(Polarity.Correct, [5, 7], [0, 1], [], [2, 1], "held");
        ModelCard Made(FineTuneOptions options, EncodedExample[]? validation)
        {
            var run = new TrainingRun(new TableLanguageModel(Rows.Vocabulary), rows, new LikelihoodObjective(), options, validation: validation);
            return run.Card(run.Run());
        }
        var card = Made(new() { Epochs = 2, Validation = new() { Steps = 1 } }, [held]);
        Assert.AreEqual((7, 1, 5), (card.Data!.Rows, card.Validation!.Rows, card.Validation.Evaluations));
        Assert.AreEqual("1", card.Options.Single(option => option is { Group: "Validation", Name: "Steps" }).Value);
        var plain = Made(new() { Epochs = 1 }, null);
        Assert.IsNull(plain.Validation);
        Assert.IsFalse(plain.Options.Any(option => option.Name.StartsWith("Validation", StringComparison.Ordinal) || option.Group == "Validation"));
    }

    [TestMethod]
    public void Save_ExistingFile_ReplacesOnlyACard()
    {
        using var folder = new TemporaryFolder();
        Assert.IsTrue(Card("one").Save(folder.Path, ModelCardKind.Adapter));
        var first = File.ReadAllBytes(folder.File("README.md"));
        CollectionAssert.AreEqual(first, System.Text.Encoding.UTF8.GetBytes(Card("one").ToMarkdown(ModelCardKind.Adapter)),
            "equal cards, equal bytes");
        Assert.IsTrue(Card("two").Save(folder.Path, ModelCardKind.Adapter));
        CollectionAssert.AreNotEqual(first, File.ReadAllBytes(folder.File("README.md")));
        folder.Write("README.md", "# My own text");
        Assert.IsFalse(Card("three").Save(folder.Path, ModelCardKind.Adapter));
        Assert.AreEqual("# My own text", File.ReadAllText(folder.File("README.md")));
        CollectionAssert.AreEqual(new[] { "README.md" }, folder.Files());
    }
}
