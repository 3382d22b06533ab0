using System.ClientModel;
using Microsoft.ML.Nlft.Tool.Serving;
using OpenAI.Chat;
using ChatCompletion = OpenAI.Chat.ChatCompletion;

namespace Microsoft.ML.Nlft.Docs;

/// <summary>What docs/serve.md shows.</summary>
[TestClass]
public sealed class ServeSnippets : Workplace
{
    [TestMethod]
    public async Task ServePage_Client_Answers()
    {
        var options = new ServerOptions { Port = 0 };
        var served = new ServedModel("model", LocalModel.Load("model"), new() { Generation = new() { MaximumNewTokens = 8 } });
        using var models = new ServedModels([served], DateTimeOffset.UnixEpoch);
        await using var host = new ServerHost(options, new(models, options, apiKey: null, TextWriter.Null, TimeProvider.System));
        await host.StartAsync(CancellationToken.None);
        var endpoint = new Uri(host.Address, "v1");
        #region a client
        var client = new ChatClient("model", new ApiKeyCredential("none"), new() { Endpoint = endpoint });
        ChatCompletion answer = await client.CompleteChatAsync("What is 2 + 3?");
        Console.WriteLine(answer.Content[0].Text);
        #endregion
        Assert.AreEqual(served.Model.Answer(["What is 2 + 3?"], new() { MaximumNewTokens = 8 })[0].Text, answer.Content[0].Text);
        await host.StopAsync();
    }
}
