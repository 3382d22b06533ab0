using System.Text.Json;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TestKit;

/// <summary>
/// Creates a complete model folder by hand: random weights, and a tokenizer whose tokens are the 256 bytes and four special ones.
/// </summary>
public sealed class ByteModelFolder : IDisposable
{
    public const int Vocabulary = 260, EndOfTurn = 259;

    /// <summary>ChatML: the turns between &lt;|im_start|&gt; and &lt;|im_end|&gt;.</summary>
    public const string ChatMl = """
        {%- for message in messages %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}
        {%- endfor %}
        {%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}
        """;

    /// <summary>ChatML that shows tools, calls and their results as the models of the Hermes family do.</summary>
    public const string Hermes = """
        {%- if tools %}{{- '<|im_start|>system\n' }}{%- for tool in tools %}{{- tool | tojson + '\n' }}{%- endfor %}
        {{- 'Write <tool_call>\n{"name": n, "arguments": a}\n</tool_call><|im_end|>\n' }}{%- endif %}
        {%- for message in messages %}
        {%- if message.role == 'tool' %}{{- '<|im_start|>user\n<tool_response>\n' + message.content + '\n</tool_response><|im_end|>\n' }}
        {%- else %}{{- '<|im_start|>' + message.role + '\n' + message.content }}
        {%- for call in message.tool_calls or [] %}
        {{- '<tool_call>\n{"name": "' + call.function.name + '", "arguments": ' + call.function.arguments | tojson + '}\n</tool_call>' }}
        {%- endfor %}{{- '<|im_end|>\n' }}{%- endif %}
        {%- endfor %}
        {%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}
        """;

    public ByteModelFolder(string? template = ChatMl, int maximumPositions = 1024)
    {
        ModelInitializer.Create(Path, new()
        {
            ModelType = "llama", VocabularySize = Vocabulary, HiddenSize = 12, IntermediateSize = 20,
            LayerCount = 2, HeadCount = 3, KeyValueHeadCount = 1,
            HeadSize = 4, MaximumPositions = maximumPositions, TieWordEmbeddings = true, SlidingWindows = [0, 0], EndOfSequenceIds = [257],
        }, seed: 3);
        // GPT-2's alphabet: printable bytes stand for themselves, the others for the characters from U+0100 on.
        var next = 0x100;
        var alphabet = Enumerable.Range(0, 256)
            .ToDictionary(b => ((char)(b is >= '!' and <= '~' or >= 0xA1 and <= 0xAC or >= 0xAE ? b : next++)).ToString());
        Write("tokenizer.json", new
        {
            added_tokens = new[] { "<s>", "</s>", "<|im_start|>", "<|im_end|>" }.Select((content, i) =>
                new { id = 256 + i, content, special = true, single_word = false, lstrip = false, rstrip = false, normalized = false }),
            pre_tokenizer = new { type = "ByteLevel", add_prefix_space = false, trim_offsets = true, use_regex = true },
            decoder = new { type = "ByteLevel", add_prefix_space = true, trim_offsets = true, use_regex = true },
            model = new { type = "BPE", vocab = alphabet, merges = Array.Empty<string>() },
        });
        Write("tokenizer_config.json", new { bos_token = "<s>", eos_token = "</s>", chat_template = template });
    }

    public string Path { get; } = Directory.CreateTempSubdirectory("nlft-chat-").FullName;

    public string Name => System.IO.Path.GetFileName(Path);

    public void Dispose() => Directory.Delete(Path, recursive: true);

    private void Write(string name, object content) => File.WriteAllText(System.IO.Path.Combine(Path, name), JsonSerializer.Serialize(content));
}
