using Microsoft.Extensions.AI;
using Microsoft.ML.Nlft.Chat;

// In the namespace of LocalModel: the method is there wherever the model is.
namespace Microsoft.ML.Nlft;

/// <summary>Chat on a model that is open.</summary>
public static class ChatModelExtensions
{
    /// <summary>The model as a chat client. The model stays the caller's: dispose the client first.</summary>
    /// <param name="model">The model.</param>
    /// <param name="options">How; null: the defaults.</param>
    /// <exception cref="NlftException">An option lies outside its range.</exception>
    public static IChatClient AsChatClient(this LocalModel model, LocalChatClientOptions? options = null) => new LocalChatClient(model, options);
}
