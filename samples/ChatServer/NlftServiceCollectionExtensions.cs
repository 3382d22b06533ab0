using Microsoft.Extensions.AI;
using Microsoft.ML.Nlft.Chat;

namespace ChatServer;

/// <summary>Registers a chat client: all that dependency injection needs.</summary>
internal static class NlftServiceCollectionExtensions
{
    /// <summary>Adds the one <see cref="IChatClient"/> of a folder. It is opened when it is first asked for and disposed with the container.</summary>
    /// <param name="services">The services.</param>
    /// <param name="folder">A model folder, or what <c>mlContext.Nlft().Save</c> wrote.</param>
    /// <param name="options">How it answers; null: the defaults.</param>
    public static IServiceCollection AddNlftChatClient(this IServiceCollection services, string folder, LocalChatClientOptions? options = null) =>
        services.AddSingleton<IChatClient>(_ => LocalChatClient.Load(folder, options));
}
