using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

namespace Microsoft.ML.Nlft.Tests.Chat;

/// <summary>The registration in a container; the sample's server uses a real one.</summary>
[TestClass]
public sealed class ChatServiceCollectionTests
{
    [TestMethod]
    public async Task AddNlftChatClient_Resolved_IsOneLazySingleton()
    {
        using var folder = new ByteModelFolder();
        var services = new Services();
        Assert.AreSame(services, services.AddNlftChatClient("/nowhere")
            .AddNlftChatClient(folder.Path, new() { Generation = new() { MaximumNewTokens = 3 } }, serviceKey: "tiny"));
        Assert.IsTrue(services.All(service => service.ServiceType == typeof(IChatClient) && service.Lifetime == ServiceLifetime.Singleton));
        Assert.IsFalse(services[0].IsKeyedService);
        Assert.AreEqual("tiny", services[1].ServiceKey);
        using var client = (IChatClient)services[1].KeyedImplementationFactory!(null!, "tiny");
        Assert.AreEqual(3, (await client.GetResponseAsync("x")).Usage!.OutputTokenCount);
        Assert.StartsWith("/nowhere: found no such folder",
            Assert.ThrowsExactly<NlftException>(() => services[0].ImplementationFactory!(null!)).Message);
    }

    private sealed class Services : List<ServiceDescriptor>, IServiceCollection;
}
