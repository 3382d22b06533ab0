using System.Text.Json.Serialization;
using Parquet;
using Parquet.Serialization;

namespace Microsoft.ML.Nlft.Tool.Tests.Commands;

/// <summary>Rows as people have them train without a flag, from every kind of file.</summary>
[TestClass]
public sealed class TrainLayoutTests
{
    private const string Template = "{% for m in messages %}{{ '<' + m.role + '>' }}{{ m.content }}<eos>{% endfor %}"
        + "{% if add_generation_prompt %}<assistant>{% endif %}";

    private const string Messages = """{"messages": [{"role": "user", "content": "2+3?"}, {"role": "assistant", "content": "5"}, """
        + """{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"}]}""";

    private readonly ToolRun _tool = new();

    [TestInitialize]
    public void WriteTemplate() => File.WriteAllText(Path.Combine(_tool.Model, "chat_template.jinja"), Template);

    [TestCleanup]
    public void Clean() => _tool.Dispose();

    [TestMethod]
    [DataRow("rows.jsonl", Messages, "chat rows: messages")]
    [DataRow("rows.json", "[" + Messages + "]", "chat rows: messages")]
    [DataRow("rows.csv", "question,answer\n2+3?,5\n", "questions and answers")]
    [DataRow("rows.tsv", "prompt\tcompletion\n2+3=\t5\n", "text rows: prompt and completion, without the chat template")]
    [DataRow("rows.json", """[{"instruction": "2+3?", "input": "", "output": "5"}]""", "instructions (alpaca)")]
    [DataRow("rows.csv", "instruction,input,output\nAdd.,2+3,5\n", "instructions (alpaca)")]
    [DataRow("rows.jsonl", """{"conversations": [{"from": "human", "value": "2+3?"}, {"from": "gpt", "value": "5"}]}""",
        "chat rows: conversations (ShareGPT)")]
    [DataRow("rows.jsonl", """{"prompt": [{"role": "user", "content": "2+3?"}], "completion": [{"role": "assistant", "content": "5"}]}""",
        "chat rows: prompt and completion")]
    public void Train_AnyLayout_NeedsNoFlag(string name, string text, string layout)
    {
        _tool.Write(name, text);

        Assert.StartsWith("1 steps, last loss", _tool.Succeed($"train --model MODEL --data {name} --output out --epochs 1"));

        Assert.Contains($"{name} reads as {layout}.", _tool.Error);
        Assert.Contains("SFT: 1 rows", _tool.Error);
    }

    [TestMethod]
    public void Train_NlftRows_StayNaturalLanguageFineTuning()
    {
        _tool.WriteRows();
        _tool.Succeed("train --model MODEL --data rows.csv --output out --epochs 1");
        Assert.Contains("rows.csv reads as NLFT rows.", _tool.Error);
        Assert.Contains("NLFT: 3 rows (2 with a judgment)", _tool.Error);
    }

    [TestMethod]
    [DataRow("rows.jsonl", Messages, "found chat rows: messages, which have no judged responses; expected rows with a question, a response and")]
    [DataRow("rows.csv", "question,answer\n2+3?,5\n", "expected a column \"Response\"")]
    public void Train_NaturalLanguageFineTuningOfRowsWithoutResponses_IsRefused(string name, string text, string message)
    {
        _tool.Write(name, text);
        Assert.AreEqual(ExitCode.BadInput, _tool.Run($"train --model MODEL --data {name} --output out --method nlft"));
        Assert.Contains(message, _tool.Error);
    }

    [TestMethod]
    public async Task Train_ParquetFile_ReadsNestedMessages()
    {
        await using (var file = File.Create(_tool.PathOf("chats.parquet")))
        {
            Message call = new() { Role = "assistant", Calls = [new() { Name = "add" }] };
            var chat = new Chat
            {
                Messages = [new() { Role = "user", Content = "2+3?" }, call, new() { Role = "tool", Content = "5" },
                    new() { Role = "assistant", Content = "5" }],
            };
            await ParquetSerializer.SerializeAsync([chat, chat], file);
        }
        _tool.Succeed("train --model MODEL --data chats.parquet --output out --epochs 1");
        Assert.Contains("chats.parquet reads as chat rows: messages.", _tool.Error);
        Assert.AreEqual($"""
            {_tool.PathOf("chats.parquet")}, row 1: 3 of 44 tokens carry loss
              - <user>2+3?<eos><assistant>
              + <eos>
              - <tool>5<eos><assistant>
              + 5<eos>

            """, _tool.Succeed("saliency --model MODEL --data chats.parquet --mask --rows 1").ReplaceLineEndings("\n"));
    }

    /// <summary>The shapes in which pyarrow writes: row groups, dictionaries of the roles, plain columns, each compression.</summary>
    [TestMethod]
    [DataRow(CompressionMethod.Snappy, 100, 0.8)]
    [DataRow(CompressionMethod.Snappy, 7, 0.0)]
    [DataRow(CompressionMethod.Zstd, 100, 0.8)]
    [DataRow(CompressionMethod.Gzip, 1, 1.0)]
    [DataRow(CompressionMethod.None, 1000, 0.8)]
    public async Task Saliency_ParquetFileOfSeveralGroups_ReadsEveryConversation(CompressionMethod compression, int group, double dictionary)
    {
        List<Chat> chats = [.. Enumerable.Range(0, 120).Select(i => new Chat
        {
            Messages = [.. Enumerable.Range(0, 1 + i % 3).SelectMany(turn => (Message[])
                [new() { Role = "user", Content = $"{i}+{turn}?" }, new() { Role = "assistant", Content = $"{i + turn}" }])],
        })];
        ParquetOptions options = new() { CompressionMethod = compression, RowGroupSize = group, DictionaryEncodingThreshold = dictionary };
        await using (var file = File.Create(_tool.PathOf("chats.parquet"))) await ParquetSerializer.SerializeAsync(chats, file, options);

        var shown = _tool.Succeed("saliency --model MODEL --data chats.parquet --mask").ReplaceLineEndings("\n");

        for (var i = 0; i < 120; i++)
        {
            var turns = string.Concat(Enumerable.Range(0, 1 + i % 3).Select(turn => $"  - <user>{i}+{turn}?<eos><assistant>\n  + {i + turn}<eos>\n"));
            Assert.Contains($"tokens carry loss\n{turns}", shown, $"row {i + 1}");
        }
        Assert.AreEqual(120, shown.Split("tokens carry loss").Length - 1);
    }

    [TestMethod]
    public async Task Train_ParquetFileOfQuestions_ReadsThem()
    {
        await using (var file = File.Create(_tool.PathOf("rows.parquet")))
            await ParquetSerializer.SerializeAsync([new Line { Question = "2+3?", Answer = "5" }], file);
        _tool.Succeed("train --model MODEL --data rows.parquet --output out --epochs 1");
        Assert.Contains("rows.parquet reads as questions and answers.", _tool.Error);
    }

    [TestMethod]
    [DataRow("missing.parquet", null, "found no file; expected a Parquet file")]
    [DataRow("text.parquet", "hello", "expected a Parquet file. Check the file")]
    [DataRow("link.parquet", "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n", "found a Git LFS pointer; expected a Parquet")]
    public void Train_UnusableParquetFile_IsRefused(string name, string? text, string message)
    {
        if (text is not null) _tool.Write(name, text);
        Assert.AreEqual(ExitCode.BadInput, _tool.Run($"train --model MODEL --data {name} --output out"));
        Assert.Contains(message, _tool.Error);
    }

    [TestMethod]
    public void Saliency_Mask_ShowsWhichTokensCarryLoss()
    {
        _tool.Write("rows.jsonl", Messages + "\n" + Messages);
        Assert.AreEqual($"""
            {_tool.PathOf("rows.jsonl")}, line 1: 4 of 48 tokens carry loss
              - <user>2+3?<eos><assistant>
              + 5<eos>
              - <user>1+1?<eos><assistant>
              + 2<eos>

            """, _tool.Succeed("saliency --model MODEL --data rows.jsonl --mask --rows 1").ReplaceLineEndings("\n"));
        _tool.WriteRows();
        Assert.Contains("  + #### 2<eos>", _tool.Succeed("saliency --model MODEL --data rows.csv --mask"));
        Assert.Contains("1 rows, map in map.html", _tool.Succeed("saliency --model MODEL --data rows.jsonl --mask --rows 1 --output map.html"));
        Assert.Contains("Which tokens carry loss", File.ReadAllText(_tool.PathOf("map.html")));
    }

    private sealed class Line
    {
        public string? Question { get; set; }

        public string? Answer { get; set; }
    }

    private sealed class Chat
    {
        [JsonPropertyName("messages")]
        public List<Message> Messages { get; set; } = [];
    }

    private sealed class Message
    {
        [JsonPropertyName("content")]
        public string? Content { get; set; }

        [JsonPropertyName("role")]
        public string? Role { get; set; }

        [JsonPropertyName("tool_calls")]
        public List<Call>? Calls { get; set; }
    }

    private sealed class Call
    {
        [JsonPropertyName("name")]
        public string? Name { get; set; }
    }
}
