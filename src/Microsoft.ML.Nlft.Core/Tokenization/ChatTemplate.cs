namespace Microsoft.ML.Nlft.Tokenization;

/// <summary>A model folder's chat template.</summary>
public sealed class ChatTemplate
{
    /// <summary>The folder's own template, or null when it has none.</summary>
    public static ChatTemplate? Load(string modelFolder) => throw new NotSupportedException();

    /// <summary>Renders messages to prompt text.</summary>
    public string Render(IReadOnlyList<ChatTurn> messages, bool addGenerationPrompt) => throw new NotSupportedException();
}

/// <summary>One message of a conversation.</summary>
/// <param name="Role">system, user or assistant.</param>
/// <param name="Content">The text.</param>
public sealed record ChatTurn(string Role, string Content);
