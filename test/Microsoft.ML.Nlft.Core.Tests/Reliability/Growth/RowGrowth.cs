using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using static Microsoft.ML.Nlft.Tests.Reliability.Growth.GrowthCase;

namespace Microsoft.ML.Nlft.Tests.Reliability.Growth;

/// <summary>The rows of files, their fields and the parts of chats.</summary>
internal static class RowGrowth
{
    private const string Header = "Question,Response,Judgment,Answer\n", Assistant = "{\"role\":\"assistant\",\"content\":\"a\"}";

    public static IReadOnlyList<GrowthCase> All { get; } =
    [
        Of("rows of a list", "rows.json", n => $"[{Join(n, i => $"{{\"a\":{i},\"b\":\"text\"}}\n")}]", path => JsonRows.ReadList(path).ToList()),
        Of("rows of a list in one line", "rows.json", n => $"[{Join(n, i => $"{{\"a\":{i},\"b\":\"text\"}}")}]",
            path => JsonRows.ReadList(path).ToList()),
        Of("rows of JSON Lines", "rows.jsonl", n => Lines(n, i => $"{{\"a\":{i}}}"), path => JsonRows.ReadLines(path).ToList()),
        Of("blank lines", "rows.jsonl", n => Repeat("\n \n", n) + "{\"a\":1}", path => JsonRows.ReadLines(path).ToList()),
        Of("fields of a row", "rows.jsonl", n => $"{{{Join(n, i => $"\"k{i}\":{i}")}}}", path => new JsonFields(JsonRows.ReadLines(path).Single())),
        Of("list of a row", "rows.jsonl", n => $"{{\"Question\":\"a\",\"x\":[{Join(n, i => $"{i}")}]}}", path => DataFile.Read(path)),
        Of("escapes of a row", "rows.jsonl", n => $"{{\"Question\":\"a{Repeat("\\n\\ud83d\\ude00", n)}\"}}", path => DataFile.Read(path)),
        Of("published rows", "rows.json", n => $"[{Join(n, i =>
            $"{{\"instruction\":\"i\",\"input\":\"{i}\",\"output\":\"o\",\"answer\":\"1\",\"judgement\":\"j\",\"feedback\":\"f\"}}")}]",
            path => Refused(() => DataFile.Read(path))),

        Of("rows of CSV", "rows.csv", n => Header + Lines(n, i => $"{i}+1?,\"#### {i + 1}\",,#### {i + 1}"), path => DataFile.Read(path)),
        Of("rows of TSV", "rows.tsv", n => Header.Replace(',', '\t') + Lines(n, i => $"{i}+1?\t2\t\t#### {i + 1}"), path => DataFile.Read(path)),
        Of("columns of CSV", "rows.csv", n => $"Question,{Join(n, i => $"c{i}")}\na,{Join(n, i => $"{i}")}\n", path => DataFile.Read(path)),
        Of("columns of CSV without a question", "rows.csv", n => $"{Join(n, i => $"c{i}")}\na\n", path => Refused(() => DataFile.Read(path))),
        Of("columns of CSV near the question's", "rows.csv", n =>
            $"{Join(n, i => $"Questio{(char)(0x4E00 + i)}")},Question\n{Join(n + 1, i => $"{i}")}\n", path => DataFile.Read(path)),
        Of("keys of a row without a question", "rows.jsonl", n => $"{{{Join(n, i => $"\"c{i}\":{i}")}}}", path => Refused(() => DataFile.Read(path))),
        Of("quotes of a field", "rows.csv", n => Header + $"\"{Repeat("a\"\"\n", n)}\",2,,2\n", path => DataFile.Read(path)),
        Of("a field of CSV", "rows.csv", n => Header + $"{Repeat("a", n)},2,,2\n", path => DataFile.Read(path)),
        Of("rows without an answer", "rows.csv", n => Header + Lines(n, i => $"{i}+1?,2,,{(i == 0 ? "2" : "")}"),
            path => Refused(() => DataFile.ReadExamples(path))),

        Chats("conversations", n => Lines(n, _ => $"{{\"messages\":[{Assistant}]}}")),
        Chats("messages of a conversation", n => $"{{\"messages\":[{Join(n, _ => Assistant)}]}}"),
        Chats("keys of a message", n => $"{{\"messages\":[{{\"role\":\"assistant\",\"content\":\"a\",{Join(n, i => $"\"k{i}\":{i}")}}}]}}"),
        Chats("parts of a message", n =>
            $"{{\"messages\":[{{\"role\":\"assistant\",\"content\":[{Join(n, _ => "{\"type\":\"text\",\"text\":\"a\"}")}]}}]}}"),
        Chats("turns of ShareGPT", n => $"{{\"conversations\":[{Join(n, _ => "{\"from\":\"gpt\",\"value\":\"a\"}")}]}}"),
        Chats("messages in a text", n => $"{{\"messages\":\"[{Join(n, _ => Assistant.Replace("\"", "\\\""))}]\"}}"),
        Chats("tools", n => $"{{\"messages\":[{Assistant}],\"tools\":[{Join(n, i => $"{{\"type\":\"function\",\"name\":\"f{i}\"}}")}]}}"),
        Chats("variables of a chat", n => $"{{\"messages\":[{Assistant}],\"chat_template_kwargs\":{{{Join(n, i => $"\"k{i}\":{i}")}}}}}"),
        Chats("instructions", n => Lines(n, i => $"{{\"instruction\":\"i\",\"input\":\"{i}\",\"output\":\"o\"}}")),
        Chats("texts", n => Lines(n, i => $"{{\"text\":\"{i}\"}}")),
        Chats("completions", n => Lines(n, i => $"{{\"prompt\":\"{i}\",\"completion\":\"o\"}}")),
    ];

    private static GrowthCase Chats(string name, Func<int, string> text) => Of(name, "rows.jsonl", text, path => TrainingFile.Read(path));

    private static string Lines(int n, Func<int, string> line) => string.Concat(Numbers(n).Select(i => line(i) + "\n"));

    /// <summary>What a refusal takes counts too.</summary>
    private static object? Refused(Func<object?> read)
    {
        try
        {
            return read();
        }
        catch (NlftException refusal)
        {
            return refusal.Found;
        }
    }
}
