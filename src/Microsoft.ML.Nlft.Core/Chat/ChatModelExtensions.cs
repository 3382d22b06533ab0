using Microsoft.Extensions.AI;
using Microsoft.ML.Nlft.Chat;

// In the namespace of LocalModel, so that the method is visible wherever the model is.
namespace Microsoft.ML.Nlft;

/// <summary>Chat clients for loaded models.</summary>
public static class ChatModelExtensions
{
    /// <summary>Creates a chat client for a model. The caller keeps the model: dispose the client before it.</summary>
    /// <param name="model">The model.</param>
    /// <param name="options">The options; null: the defaults.</param>
    /// <exception cref="NlftException">An option lies outside its range.</exception>
    public static IChatClient AsChatClient(this LocalModel model, LocalChatClientOptions? options = null) => new LocalChatClient(model, options);
}
