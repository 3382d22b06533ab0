using System.Text;
using Microsoft.ML.Nlft.ChatTemplates;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Tests.Common;

/// <summary>Every JSON file of a model is read by the same rules.</summary>
[TestClass]
public sealed class JsonFileKindTests : IDisposable
{
    private const string Tokenizer = """{"model":{"type":"BPE","vocab":{"a":0},"merges":[]}}""";
    private const string Tensor = """{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""";

    private readonly string _folder = Directory.CreateTempSubdirectory("nlft-json-").FullName;

    /// <summary>Each kind of file, a valid one with one object in it that begins with the key "k", and how it is read.</summary>
    private static readonly Dictionary<string, (string File, string Text, Action<string> Read)> s_kinds = new()
    {
        ["configuration"] = ("config.json", """
            {"model_type":"llama","num_hidden_layers":1,"num_attention_heads":1,"hidden_size":8,"vocab_size":9,"intermediate_size":8,"x":{"k":0}}
            """, folder => ModelConfiguration.Load(Path.Combine(folder, "config.json"))),
        ["generation"] = ("generation_config.json", """{"do_sample":true,"x":{"k":0}}""",
            folder => GenerationDefaults.Read(new FolderDocuments(folder).Json("generation_config.json")!.Value)),
        ["adapter"] = ("adapter_config.json", """{"peft_type":"LORA","x":{"k":0}}""",
            folder => LoraConfigurationJson.Load(Path.Combine(folder, "adapter_config.json"))),
        ["index"] = ("model.safetensors.index.json", """{"weight_map":{"a":"a.safetensors"},"x":{"k":0}}""",
            folder => ModelWeights.Open(folder).Dispose()),
        ["tokenizer"] = ("tokenizer.json", Tokenizer[..^1] + ""","x":{"k":0}}""", folder => HuggingFaceTokenizer.Load(folder)),
        ["tokenizer configuration"] = ("tokenizer_config.json", """{"bos_token":"a","x":{"k":0}}""", folder => HuggingFaceTokenizer.Load(folder)),
        ["special tokens"] = ("special_tokens_map.json", """{"bos_token":"a","x":{"k":0}}""", folder => HuggingFaceTokenizer.Load(folder)),
        ["chat template"] = ("tokenizer_config.json", """{"chat_template":"a","x":{"k":0}}""", folder => ChatTemplate.Load(folder)),
        ["saved model"] = ("nlft.json", """{"baseModelPath":"","baseModelFingerprint":"","hasAdapter":false,"settings":{},"x":{"k":0}}""",
            folder => LocalModelDescription.Load(folder)),
    };

    public static IEnumerable<object[]> Kinds => s_kinds.Keys.Select(kind => new object[] { kind });

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void Read_ValidFile_IsAcceptedWithAndWithoutAMark(string kind)
    {
        var json = s_kinds[kind].Text;
        Read(kind, Encoding.UTF8.GetBytes(json));
        Read(kind, [0xEF, 0xBB, 0xBF, .. Encoding.UTF8.GetBytes(json)]);
        Read(kind, Encoding.UTF8.GetBytes($" \r\n\t{json}\n\n"));
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void Read_BrokenFile_IsRefusedWithThePlace(string kind)
    {
        var json = s_kinds[kind].Text.Trim();
        (string Json, string Message)[] cases =
        [
            (json.Replace("\"k\":0", "\"k\":0,\"k\":0"), "\"x.k\": found the key twice, the second time in line 1, column "),
            (json.Replace("\"k\":0", "\"k\":[{},{\"l\":1,\n \"l\":1}]"), "\"x.k[1].l\": found the key twice, the second time in line 2, column 2;"),
            (json[..^1] + ",\"x\":1}", "\"x\": found the key twice"),
            (json[..^1] + ",\"x\":{\"k\":0}}", "\"x\": found the key twice"),
            (json.Replace("\"k\":0", "\"k\":0,\"\\u006b\":0"), "\"x.k\": found the key twice"),
            (json[..^1] + ",}", "found invalid JSON (line 1, column "),
            (json.Replace("\"k\":0", "\"k\":[0,]"), "found invalid JSON (line 1, column "),
            (json + " // end", "found invalid JSON (line 1, column "),
            ("/* begin */" + json, "found invalid JSON (line 1, column 1: "),
            (json.Replace("\"k\":0", "\"k\":/* zero */0"), "found invalid JSON (line 1, column "),
            (json[..^1], "found invalid JSON (line 1, column "),
            (json[..^2], "found invalid JSON (line 1, column "),
            (json[..(json.Length / 2)], "found invalid JSON (line 1, column "),
            (json[..1], "found invalid JSON (line 1, column 2: "),
            ("", "found invalid JSON (line 1, column 1: "),
            (json + json, "found invalid JSON (line 1, column "),
            (json.Replace("\"k\":0", "\"k\":NaN"), "found invalid JSON (line 1, column "),
            (json.Replace("\"k\":0", "\"k\":" + new string('[', 70) + new string(']', 70)), "found invalid JSON (line 1, column "),
            (json.Replace("\"k\":0", "\"k\":" + new string('[', 100_000)), "found invalid JSON (line 1, column "),
            (json.Replace("\"k\":0", "\"k\":[\"\\ud800\"]"), "\"x.k[0]\": found half of a surrogate pair;"),
            (json.Replace("\"k\":0", "\"\\udfff\":0"), "\"x\", a property name: found half of a surrogate pair;"),
            ("[]", "found "),
            ("null", "found null; expected "),
            ("\"" + json.Length + "\"", "found \""),
        ];
        foreach (var (text, message) in cases) StringAssert.Contains(Refusal(kind, Encoding.UTF8.GetBytes(text)), message);
    }

    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void Read_FileThatIsNotUtf8_IsRefused(string kind)
    {
        var json = s_kinds[kind].Text.Trim();
        Encoding[] wide = [new UnicodeEncoding(false, true), new UnicodeEncoding(true, true), new UnicodeEncoding(false, false), new UTF32Encoding()];
        foreach (var encoding in wide)
        {
            StringAssert.Contains(Refusal(kind,
                [.. encoding.GetPreamble(), .. encoding.GetBytes(json)]), ": found UTF-16 text; expected UTF-8 text.");
        }
        StringAssert.Contains(Refusal(kind,
            Encoding.Latin1.GetBytes("{\"\u00E9" + json[2..])), ", line 1, column 3: found 0xE9, which is not UTF-8;");
    }

    private string Refusal(string kind, byte[] bytes)
    {
        var message = Assert.ThrowsExactly<NlftException>(() => Read(kind, bytes)).Message;
        StringAssert.StartsWith(message, Path.Combine(_folder, s_kinds[kind].File));
        return message;
    }

    private void Read(string kind, byte[] bytes)
    {
        File.WriteAllText(Path.Combine(_folder, "tokenizer.json"), Tokenizer);
        File.WriteAllBytes(Path.Combine(_folder, "a.safetensors"), [(byte)Tensor.Length, 0, 0, 0, 0, 0, 0, 0, .. Encoding.UTF8.GetBytes(Tensor), 7]);
        File.WriteAllBytes(Path.Combine(_folder, s_kinds[kind].File), bytes);
        s_kinds[kind].Read(_folder);
    }
}
