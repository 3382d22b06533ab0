using System.Text.Json;
using Microsoft.ML.Nlft.ChatTemplates;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Tests.Data;

/// <summary>Encodes a row with each template and each tokenizer of real models: prompt and response meet where the template says.</summary>
[TestClass]
[TestCategory("Conformance")]
public sealed class PromptConformanceTests
{
    private static readonly TrainingExample Row = new() { Question = "What is 2+3?", Response = "2+3 = 6", Judgment = "The sum is 5.", Answer = "5" };

    public static IEnumerable<object[]> Pairs =>
        from template in Fixtures.Folders("fixtures", "chat-templates")
        from tokenizer in Fixtures.Folders("fixtures", "tokenizers")
        select new[] { template[0], tokenizer[0] };

    [TestMethod]
    [DynamicData(nameof(Pairs))]
    public void Encode_RealTemplateAndTokenizer_PromptAndResponseMeet(string template, string tokenizer)
    {
        var folder = Directory.CreateTempSubdirectory("nlft-prompts-");
        try
        {
            File.Copy(Fixtures.Path_("fixtures", "chat-templates", template, "template.jinja"), Path.Combine(folder.FullName, "chat_template.jinja"));
            File.Copy(Fixtures.Path_("fixtures", "tokenizers", tokenizer, "tokenizer.json"), Path.Combine(folder.FullName, "tokenizer.json"));
            File.WriteAllText(Path.Combine(folder.FullName, "tokenizer_config.json"),
                JsonSerializer.Serialize(new { bos_token = "<s>", eos_token = "</s>" }));
            var (tokens, rendering) = (HuggingFaceTokenizer.Load(folder.FullName), ChatTemplate.Load(folder.FullName)!);
            var encoder = new PromptEncoder(tokens, rendering, new PromptOptions(), [2]);
            var text = rendering.Render([new("user", Row.Question)], addGenerationPrompt: true);
            var prompt = encoder.Encode(Row).Prompt(PromptContexts.Base).ToArray();
            CollectionAssert.AreEqual(tokens.Encode(text, addSpecialTokens: false), prompt);
            if (tokens.TokenToId("<s>") is { } beginning)
            {
                Assert.AreEqual(text.Split("<s>").Length - 1, prompt.Count(token => token == beginning),
                    "as many as the template writes, and none from the tokenizer");
            }

            var response = encoder.Encode(Row).Response.ToArray();
            Assert.Contains(response[^1], encoder.StopIds, "it ends as answers do");
            var sequence = encoder.Encode(Row).Sequence(PromptContexts.Base);
            CollectionAssert.AreEqual(prompt.Concat(response).ToArray(), sequence.Tokens.ToArray());
            Assert.AreEqual(prompt.Length, sequence.PromptLength);
            Assert.AreEqual(Row.Response, tokens.Decode(response[..^1], skipSpecialTokens: false).Trim());
            foreach (var context in (PromptContexts[])[PromptContexts.Judge, PromptContexts.Standard])
            {
                CollectionAssert.AreEqual(response, encoder.Encode(Row).Sequence(context).Tokens.ToArray()[^response.Length..],
                    "the same ids after every prompt");
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }
}
