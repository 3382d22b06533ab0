using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.ML.Nlft.Chat;

// In the namespace of LocalModel: the method is there wherever the model is.
namespace Microsoft.ML.Nlft;

/// <summary>Chat clients for dependency injection.</summary>
public static class ChatServiceCollectionExtensions
{
    /// <summary>
    /// Adds one <see cref="IChatClient"/> for a model on disk. It is opened when it is first asked for, serves all who ask, and is disposed with the container.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="folder">A model folder, or a saved model; see <see cref="NlftModel.LoadChatClient"/>.</param>
    /// <param name="options">How it answers; null: the defaults.</param>
    /// <param name="serviceKey">The key that tells it from other clients; null: it is the client without a key.</param>
    /// <returns>The same services.</returns>
    /// <example>
    /// <code>
    /// builder.Services.AddNlftChatClient("models/tiny");
    /// app.MapGet("/ask", async (string question, IChatClient client) => (await client.GetResponseAsync(question)).Text);
    /// </code>
    /// </example>
    public static IServiceCollection AddNlftChatClient(this IServiceCollection services, string folder, LocalChatClientOptions? options = null, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(folder);
        return services.AddKeyedSingleton<IChatClient>(serviceKey, (_, _) => NlftModel.LoadChatClient(folder, options));
    }
}
