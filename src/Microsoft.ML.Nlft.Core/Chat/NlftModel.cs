using Microsoft.Extensions.AI;

namespace Microsoft.ML.Nlft.Chat;

/// <summary>Chat with a model on disk, in one call. For a model that is open already there is <see cref="ChatModelExtensions.AsChatClient"/>.</summary>
public static class NlftModel
{
    /// <summary>Opens a model for chat; the client disposes it.</summary>
    /// <param name="folder">
    /// A model folder in Hugging Face layout, or a saved model, see <see cref="LocalModel.Load"/>: base model, adapter, prompts and generation options are then as
    /// saved.
    /// </param>
    /// <param name="options">How it answers, where the base model lies now, the engine; null: the defaults.</param>
    /// <param name="cancellationToken">Observed while weights load.</param>
    /// <returns>A <see cref="LocalChatClient"/>.</returns>
    /// <exception cref="NlftException">The folder cannot be used, or an option lies outside its range.</exception>
    public static IChatClient LoadChatClient(string folder, LocalChatClientOptions? options = null, CancellationToken cancellationToken = default) =>
        LocalChatClient.Load(folder, options, cancellationToken);
}
