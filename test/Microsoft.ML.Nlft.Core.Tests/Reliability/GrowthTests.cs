using System.Globalization;
using System.Text;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tests.ModelFiles;
using Microsoft.ML.Nlft.Tests.Tokenization;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Tests.Reliability;

/// <summary>Feeds N, 2N, 4N and 8N entries to the lists of readers, and characters to the steps of a tokenizer; counts what is allocated.</summary>
[TestClass]
public sealed class GrowthTests
{
    private const int Smallest = 2_000;
    private const double MostPerDoubling = 2.6; // n log n gives 2.2 at these sizes, a quadratic part 4

    private static readonly (string Name, Action<TemporaryFolder, int> Write, Action<TemporaryFolder> Read)[] s_readers =
    [
        ("tensors of an index", (folder, n) =>
        {
            var tensors = Join(n, i => $"\"t{i}\":{{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[{i},{i + 1}]}}");
            folder.Write("a.safetensors", TemporaryFolder.Safetensors("{" + tensors + "}", n));
            folder.Write("model.safetensors.index.json", $"{{\"weight_map\":{{{Join(n, i => $"\"t{i}\":\"a.safetensors\"")}}}}}");
        }, folder => ModelWeights.Open(folder.Path).Dispose()),
        ("metadata of safetensors", (folder, n) => folder.Write("a.safetensors",
            TemporaryFolder.Safetensors($"{{\"__metadata__\":{{{Join(n, i => $"\"k{i}\":\"v\"")}}}}}", 0)),
            folder => SafetensorsFile.Open(folder.File("a.safetensors")).Dispose()),
        ("rows of a list", (folder, n) => folder.Write("rows.json", $"[{Join(n, i => $"{{\"a\":{i},\"b\":\"text\"}}\n")}]"),
            folder => JsonRows.ReadList(folder.File("rows.json")).Count()),
        ("rows of a list in one line", (folder, n) => folder.Write("rows.json", $"[{Join(n, i => $"{{\"a\":{i},\"b\":\"text\"}}")}]"),
            folder => JsonRows.ReadList(folder.File("rows.json")).Count()),
        ("rows of JSON Lines", (folder, n) => folder.Write("rows.jsonl", string.Concat(Numbers(n).Select(i => $"{{\"a\":{i}}}\n"))),
            folder => JsonRows.ReadLines(folder.File("rows.jsonl")).Count()),
        ("rows of CSV", (folder, n) => folder.Write("rows.csv", "Question,Response,Judgment,Answer\n"
            + string.Concat(Numbers(n).Select(i => $"{i}+1?,\"#### {i + 1}\",,#### {i + 1}\n"))), folder => DataFile.Read(folder.File("rows.csv"))),
        ("fields of a row", (folder, n) => folder.Write("rows.jsonl", $"{{{Join(n, i => $"\"k{i}\":{i}")}}}"),
            folder => new JsonFields(JsonRows.ReadLines(folder.File("rows.jsonl")).Single())),
        ("end-of-sequence ids", (folder, n) => folder.Write("config.json",
            ModelConfigurationTests.Config($"{{\"vocab_size\":{2 * n},\"eos_token_id\":[{Join(n, i => $"{i}")}]}}")),
            folder => ModelConfiguration.Load(folder.File("config.json"))),
        ("target modules", (folder, n) => folder.Write("adapter_config.json", Adapter($"\"target_modules\":[{Join(n, i => $"\"m{i}\"")}]")),
            folder => LoraConfiguration.Load(folder.Path).Resolve("model.layers.0.mlp.up_proj")),
        ("layers of an adapter", (folder, n) => folder.Write("adapter_config.json",
            Adapter($"\"target_modules\":[\"up_proj\"],\"layers_to_transform\":[{Join(n, i => $"{i}")}]")),
            folder => LoraConfiguration.Load(folder.Path).Resolve("model.layers.0.mlp.up_proj")),
    ];

    public static IEnumerable<object[]> Readers => s_readers.Select(reader => new object[] { reader.Name });

    public static IEnumerable<object[]> Tokenizers => s_tokenizers.Select(tokenizer => new object[] { tokenizer.Name });

    [TestMethod]
    [DynamicData(nameof(Readers))]
    public void Read_TwiceTheEntries_AllocatesAboutTwiceAsMuch(string name)
    {
        var (_, write, read) = s_readers.Single(reader => reader.Name == name);
        RequireLinear(name, n =>
        {
            using var folder = new TemporaryFolder();
            write(folder, n);
            return Allocated(() => read(folder));
        });
    }

    private static readonly (string Name, Action<TokenizerFolder, int> Fill)[] s_tokenizers =
    [
        ("vocabulary", (folder, n) => folder.Model("a b " + string.Join(' ', Numbers(n).Select(i => $"t{i}")))),
        ("merges", (folder, n) => folder.Model("a b " + string.Join(' ', Numbers(n).Select(i => $"x{i} ax{i}")),
            string.Join(", ", Numbers(n).Select(i => $"a x{i}")))),
        ("added tokens", (folder, n) =>
        {
            folder.Model("a b");
            foreach (var i in Numbers(n)) folder.AddedToken(i + 2, $"<|reserved_token_{i}|>");
        }),
        ("configured tokens", (folder, n) => folder.Model("a b").File("tokenizer_config.json",
            $"{{\"added_tokens_decoder\":{{{Join(n, i => $"\"{i + 2}\":{{\"content\":\"<{i}>\"}}")}}}}}")),
        ("extra tokens", (folder, n) => folder.Model("a b").File("tokenizer_config.json",
            $"{{\"extra_special_tokens\":[{Join(n, i => $"\"<{i}>\"")}]}}")),
    ];

    [TestMethod]
    [DynamicData(nameof(Tokenizers))]
    public void Load_TwiceTheTokens_AllocatesAboutTwiceAsMuch(string name)
    {
        var (_, fill) = s_tokenizers.Single(tokenizer => tokenizer.Name == name);
        RequireLinear(name, n =>
        {
            using var folder = new TokenizerFolder();
            fill(folder, n);
            folder.Load();
            return Allocated(() => HuggingFaceTokenizer.Load(folder.Path));
        });
    }

    [TestMethod]
    [DataRow("normalizer", """{"type":"NFKC"}""")]
    [DataRow("normalizer", """{"type":"Replace","pattern":{"String":"a"},"content":"bb"}""")]
    [DataRow("normalizer", """{"type":"Replace","pattern":{"Regex":"a+"},"content":"b"}""")]
    [DataRow("normalizer", """{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":true,"lowercase":true}""")]
    [DataRow("pre_tokenizer", TokenizerFolder.Gpt2Split)]
    [DataRow("pre_tokenizer", """{"type":"Split","pattern":{"Regex":"[^ ]+"},"behavior":"MergedWithPrevious","invert":false}""")]
    [DataRow("pre_tokenizer", """{"type":"Split","pattern":{"String":" "},"behavior":"MergedWithNext","invert":false}""")]
    [DataRow("pre_tokenizer", """{"type":"Whitespace"}""")]
    [DataRow("pre_tokenizer", """{"type":"Digits","individual_digits":true}""")]
    [DataRow("pre_tokenizer", """{"type":"Metaspace","replacement":"_","prepend_scheme":"always","split":true}""")]
    public void Encode_TwiceTheText_AllocatesAboutTwiceAsMuch(string key, string step)
    {
        foreach (var unit in (string[])["a", "a ", " ", "é", "<|x|", "\n", "a1 "])
        {
            RequireLinear($"{step} on '{unit}'", n =>
            {
                using var folder = new TokenizerFolder().Model("<unk> a b", options: """{"unk_token":"<unk>"}""").AddedToken(3, "<|x|>");
                folder.Set(key, step);
                var tokenizer = folder.Load();
                var text = Repeat(unit, n);
                return Allocated(() => tokenizer.Encode(text, addSpecialTokens: false, [0..1, (text.Length / 2)..text.Length]));
            });
        }
    }

    [TestMethod]
    public void Resolve_TwiceTheLayers_CompilesNoExpressionAgain()
    {
        using var folder = new TemporaryFolder();
        var model = ModelConfiguration.Load(folder.Write("config.json", ModelConfigurationTests.Config()));
        var lora = new LoraConfiguration
        {
            TargetPattern = "model\\.layers\\.\\d+\\.mlp\\.(up|down)_proj",
            RankPattern = Enumerable.Range(0, 50).ToDictionary(i => $"layers\\.{i}\\d*\\.mlp\\.up_proj", i => 2 + i),
        };
        RequireLinear("layers", n => Allocated(() => (lora with { Dropout = 0.1 }).Resolve(model with { LayerCount = n / 20 })));
    }

    [TestMethod]
    [DataRow("<|reserved_token_{0}|>", "<|reserved_token_")]
    [DataRow("aaaa{0}b", "aaaa")]
    [DataRow("{0}aaaa", "a")]
    [DataRow("ab{0}", "ab1ab2ab")]
    [DataRow("xyxyxyxyxy{0}", "xy")]
    public void Encode_ManyTokensThatBeginAlike_AllocatesByTheText(string pattern, string unit)
    {
        using var folder = new TokenizerFolder().Model("<unk> a b", options: """{"unk_token":"<unk>"}""");
        for (var i = 0; i < 5_000; i++) folder.AddedToken(i + 3, string.Format(CultureInfo.InvariantCulture, pattern, i));
        var tokenizer = folder.Load();
        RequireLinear(pattern, n => Allocated(() => tokenizer.Encode(Repeat(unit, n), addSpecialTokens: false)));
    }

    private static void RequireLinear(string name, Func<int, long> allocate)
    {
        allocate(Smallest / 2); // prepares code and tables
        long[] bytes = [.. Enumerable.Range(0, 4).Select(doubling => allocate(Smallest << doubling))];
        for (var i = 1; i < bytes.Length; i++)
        {
            Assert.IsLessThan(MostPerDoubling * bytes[i - 1] + (1 << 16), bytes[i], $"{name}: {string.Join(", ", bytes)} bytes");
        }
    }

    private static long Allocated(Action work)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        work();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private static string Adapter(string keys) =>
        $"{{\"peft_type\":\"LORA\",\"r\":8,\"lora_alpha\":16,\"lora_dropout\":0.0,\"bias\":\"none\",{keys}}}";

    private static IEnumerable<int> Numbers(int n) => Enumerable.Range(0, n);

    private static string Join(int n, Func<int, string> item) => string.Join(',', Numbers(n).Select(item));

    private static string Repeat(string text, int count) => new StringBuilder(text.Length * count).Insert(0, text, count).ToString();
}
