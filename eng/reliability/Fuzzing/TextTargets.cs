using Microsoft.ML.Nlft.ChatTemplates;
using Microsoft.ML.Nlft.Tokenization;

namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>The readers of tokenizers and chat templates.</summary>
internal static class TextTargets
{
    private static readonly string[] s_texts =
        ["Hello, world 12 + 34 = 46!", "  a\u00e9\U0001F600\t\nx<s></s> 'll", "aaaaaaaaaaaaaaaaaaaaaaaaaaaa!"];

    private static readonly string[] s_files = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
        "chat_template.jinja"];

    /// <summary>Limits of templates that keep an input short.</summary>
    public static ChatTemplateOptions TemplateLimits { get; } = new() { MaximumSteps = 200_000, MaximumLength = 200_000 };

    /// <summary>Gets the targets.</summary>
    public static IReadOnlyList<Target> All { get; } =
    [
        new("tokenizer", "tokenizer.json", SeedFiles.Of("tokenizer"), Json.Mutate, folder => Use(HuggingFaceTokenizer.Load(folder)))
        {
            Memory = 256 << 20, // every encoding step creates its pieces again
        },
        new("folder", "folder.zip", [ZipBytes.Write(SeedFiles.In("folder"))], ZipBytes.Mutate, folder =>
        {
            Folders.Unpack(folder, "folder.zip", s_files);
            Use(HuggingFaceTokenizer.Load(folder));
            _ = ChatTemplate.Load(folder, TemplateLimits)?.Render([new("user", "Hi")], addGenerationPrompt: true);
        }) { Memory = 256 << 20 },
        new("template", "chat_template.jinja", SeedFiles.Of("template"), Words.Mutate, folder =>
            ChatTemplate.Load(folder, TemplateLimits)!.Render(
                [new("system", "Be brief."), new("user", "Hi"), new("assistant", "Yes?"), new("user", "What is 2 + 3?")],
                addGenerationPrompt: true)),
    ];

    /// <summary>Encodes texts and decodes their ids.</summary>
    public static void Use(HuggingFaceTokenizer tokenizer)
    {
        foreach (var text in s_texts) _ = tokenizer.Decode([.. tokenizer.EncodeToIds(text)], skipSpecialTokens: false);
    }
}
