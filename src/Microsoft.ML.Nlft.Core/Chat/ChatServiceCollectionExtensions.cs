using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.ML.Nlft.Chat;

// In the namespace of LocalModel, so that the method is visible wherever the model is.
namespace Microsoft.ML.Nlft;

/// <summary>Chat clients for dependency injection.</summary>
public static class ChatServiceCollectionExtensions
{
    /// <summary>
    /// Adds an <see cref="IChatClient"/> for a model on disk as a singleton. The model loads when the client is first resolved and is disposed with
    /// the container.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="folder">A model folder, or a saved model; see <see cref="NlftModel.LoadChatClient"/>.</param>
    /// <param name="options">The options of the client; null: the defaults.</param>
    /// <param name="serviceKey">The service key; null: the client has no key.</param>
    /// <returns>The same services.</returns>
    /// <example>
    /// <code>
    /// builder.Services.AddNlftChatClient("models/tiny");
    /// app.MapGet("/ask", async (string question, IChatClient client) => (await client.GetResponseAsync(question)).Text);
    /// </code>
    /// </example>
    public static IServiceCollection AddNlftChatClient(this IServiceCollection services, string folder, LocalChatClientOptions? options = null,
        object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(folder);
        return services.AddKeyedSingleton<IChatClient>(serviceKey, (_, _) => NlftModel.LoadChatClient(folder, options));
    }
}
