using Microsoft.Extensions.AI;

namespace Microsoft.ML.Nlft.Chat;

/// <summary>
/// Loads a model for chat in one call; <see cref="ChatModelExtensions.AsChatClient"/> serves a loaded model.
/// </summary>
public static class NlftModel
{
    /// <summary>Loads a model for chat; the client disposes it.</summary>
    /// <param name="folder">
    /// A model folder in Hugging Face layout, or a saved model (see <see cref="LocalModel.Load"/>), which brings its base model, adapter, prompts and
    /// generation options.
    /// </param>
    /// <param name="options">The options of the client; null: the defaults.</param>
    /// <param name="cancellationToken">Observed while weights load.</param>
    /// <returns>A <see cref="LocalChatClient"/>.</returns>
    /// <exception cref="NlftException">The folder cannot be used, or an option lies outside its range.</exception>
    public static IChatClient LoadChatClient(string folder, LocalChatClientOptions? options = null, CancellationToken cancellationToken = default) =>
        LocalChatClient.Load(folder, options, cancellationToken);
}
