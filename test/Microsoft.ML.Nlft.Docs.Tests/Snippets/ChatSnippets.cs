using System.Diagnostics;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.ML.Nlft.Chat;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Generation;

namespace Microsoft.ML.Nlft.Docs;

/// <summary>What docs/chat.md shows.</summary>
[TestClass]
public sealed class ChatSnippets : Workplace
{
    [TestInitialize]
    public void ChatPage_Save_Runs()
    {
        using var model = LocalModel.Load("model", new() { Trainable = TrainableWeights.Lora });
        model.Save("tuned", new() { Generation = new() { MaximumNewTokens = 48 } });
    }

    [TestMethod]
    public async Task ChatPage_Client_Answers()
    {
        #region a client
        using IChatClient client = NlftModel.LoadChatClient("tuned");
        var response = await client.GetResponseAsync("What is 2 + 3?", new() { MaxOutputTokens = 40, Temperature = 0.7f, TopP = 0.9f, Seed = 1 });
        Console.WriteLine($"{response.Text} ({response.FinishReason}, {response.Usage!.OutputTokenCount} tokens of {response.ModelId})");
        #endregion
        Assert.AreEqual("tuned", response.ModelId);
        #region a stream
        await foreach (var update in client.GetStreamingResponseAsync([new(ChatRole.System, "Be brief."), new(ChatRole.User, "What is 2 + 3?")]))
            Console.Write(update.Text);
        #endregion
        #region log-probabilities
        var options = new ChatOptions
        {
            AdditionalProperties = new() { ["logprobs"] = true, ["top_logprobs"] = 3 },
            Reasoning = new() { Effort = ReasoningEffort.None },
        };
        var answer = (GeneratedText)(await client.GetResponseAsync("What is 2 + 3?", options)).RawRepresentation!;
        Console.WriteLine($"ln p of the first token {answer.LogProbabilities![0]:0.000}; the likeliest were "
            + $"{string.Join(", ", answer.TopLogProbabilities![0])}");
        #endregion
        Assert.HasCount(3, answer.TopLogProbabilities![0]);
    }

    [TestMethod]
    public async Task ChatPage_Json_SatisfiesTheSchema()
    {
        using IChatClient client = NlftModel.LoadChatClient("tuned");
        #region json
        var schema = JsonElement.Parse("""
            { "type": "object", "properties": { "apples": { "type": "integer", "minimum": 0, "maximum": 100 } }, "required": ["apples"] }
            """);
        var json = await client.GetResponseAsync("Tom has 3 apples and gets 4. How many has he?",
            new() { ResponseFormat = ChatResponseFormat.ForJsonSchema(schema) });
        Console.WriteLine(JsonElement.Parse(json.Text).GetProperty("apples"));
        #endregion
        Assert.IsTrue(JsonElement.Parse(json.Text).GetProperty("apples").GetInt32() is >= 0 and <= 100);
    }

    [TestMethod]
    public async Task ChatPage_Tools_AreCalled()
    {
        WriteToolsModel();
        #region tools
        AITool[] tools = [AIFunctionFactory.Create((long a, long b) => a + b, "add", "Adds two numbers.")];
        using IChatClient agent = new ChatClientBuilder(NlftModel.LoadChatClient("tools-model")).UseFunctionInvocation().Build();
        var sum = await agent.GetResponseAsync("What is 2 + 3?", new() { Tools = tools, ToolMode = ChatToolMode.RequireAny, MaxOutputTokens = 300 });
        Console.WriteLine(sum.Messages[1].Contents.OfType<FunctionResultContent>().Single().Result);
        #endregion
        Assert.AreEqual("add", sum.Messages[0].Contents.OfType<FunctionCallContent>().Single().Name);
    }

    [TestMethod]
    public async Task AgentSample_McpTools_AreCalled()
    {
        WriteToolsModel();
        var output = new DirectoryInfo(AppContext.BaseDirectory);
        var sample = Path.Combine(output.Parent!.Parent!.FullName, "Agent", output.Name, "Agent.dll");
        using var process = Process.Start(new ProcessStartInfo("dotnet", [sample, "--model", "tools-model", "--require"])
        {
            RedirectStandardOutput = true,
        })!;
        var printed = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.AreEqual(0, process.ExitCode, printed);
        Assert.Contains("Tools: add (Adds two numbers.), multiply (Multiplies two numbers.)", printed);
        Assert.MatchesRegex(@"Call: (add|multiply)\(a: .*, b: .*\)\r?\nResult: -?\d", printed);
    }

    /// <summary>Writes the sample model with a template that shows tools.</summary>
    private static void WriteToolsModel()
    {
        Copy("samples/models/tiny-word-problems", "tools-model");
        File.WriteAllText("tools-model/chat_template.jinja", """
            {%- if tools %}{{- 'Tools: ' + tools | tojson + ' Write <tool_call>{"name": n, "arguments": a}</tool_call>\n' }}{%- endif %}
            {%- for message in messages %}
            {{- '<|' + ('user' if message.role != 'assistant' else 'assistant') + '|>' + message.content }}
            {%- for call in message.tool_calls or [] %}
            {{- '<tool_call>\n{"name": "' + call.function.name + '", "arguments": ' + call.function.arguments | tojson + '}\n</tool_call>' }}
            {%- endfor %}
            {%- if message.role == 'assistant' %}{{- '<|endoftext|>' }}{%- endif %}
            {%- endfor %}
            {%- if add_generation_prompt %}{{- '<|assistant|>' }}{%- endif %}
            """);
    }

    [TestMethod]
    public async Task ChatPage_OpenModel_Answers()
    {
        #region an open model
        using var model = LocalModel.Load("tuned");
        using var chat = model.AsChatClient(new() { Generation = new() { MaximumNewTokens = 64 } });
        Console.WriteLine(await chat.GetResponseAsync("What is 2 + 3?"));
        #endregion
        Assert.AreSame(model, chat.GetService<LocalModel>());
    }

    [TestMethod]
    public async Task ChatPage_DependencyInjection_Answers()
    {
        #region dependency injection
        var builder = WebApplication.CreateBuilder();
        builder.Services.AddNlftChatClient("tuned");                          // one client for all, opened when it is first asked for
        builder.Services.AddNlftChatClient("model", serviceKey: "base");      // and one by a key
        await using var app = builder.Build();
        app.MapGet("/ask", async (string question, IChatClient chat) => (await chat.GetResponseAsync(question)).Text);
        #endregion
        app.Urls.Add("http://127.0.0.1:0");
        await app.StartAsync();
        using var http = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };
        var expected = (await app.Services.GetRequiredService<IChatClient>().GetResponseAsync("2 + 3?")).Text;
        Assert.AreEqual(expected, await http.GetStringAsync("/ask?question=2%20%2B%203%3F"));
        Assert.AreNotSame(app.Services.GetRequiredService<IChatClient>(), app.Services.GetRequiredKeyedService<IChatClient>("base"));
    }
}
