// An agent: a model answers a question with the tools of an MCP server, which this program also is (--serve) and starts as a process of its own.
// Arguments: --model FOLDER, a model whose chat template shows tools, such as Qwen 2.5 or Llama 3.2; --require, so that the first answer must call a
// tool; and the question.
using Agent;
using Microsoft.Extensions.AI;
using Microsoft.ML.Nlft;
using Microsoft.ML.Nlft.Chat;
using ModelContextProtocol.Client;

if (args is ["--serve"])
{
    await Calculator.ServeAsync();
    return 0;
}
var at = Array.IndexOf(args, "--model");
var model = at >= 0 && at + 1 < args.Length ? args[at + 1] : null;
if (model is null)
{
    Console.WriteLine("Skipped: no model. Give one whose chat template shows tools, for example --model Qwen2.5-0.5B-Instruct.");
    return 0;
}
string[] words = [.. args.Where((word, i) => word != "--require" && i != at && i != at + 1)];
var question = words.Length > 0 ? string.Join(' ', words) : "What is 1234 * 5678?";
try
{
    await using var server = await McpClient.CreateAsync(new StdioClientTransport(new()
    {
        Name = "calculator",
        Command = Environment.ProcessPath!,
        Arguments = Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet"
            ? [typeof(Calculator).Assembly.Location, "--serve"] : ["--serve"],
    }));
    var tools = await server.ListToolsAsync();
    Console.WriteLine($"Tools: {string.Join(", ", tools.Select(tool => $"{tool.Name} ({tool.Description})"))}");

    using var client = new ChatClientBuilder(NlftModel.LoadChatClient(model)).UseFunctionInvocation().Build();
    var options = new ChatOptions { Tools = [.. tools], ToolMode = args.Contains("--require") ? ChatToolMode.RequireAny : ChatToolMode.Auto };
    Console.WriteLine($"Question: {question}");
    await foreach (var update in client.GetStreamingResponseAsync(question, options))
    {
        foreach (var content in update.Contents)
        {
            switch (content)
            {
                case TextContent text:
                    Console.Write(text.Text);
                    break;
                case FunctionCallContent call:
                    var arguments = call.Arguments!.Select(argument => $"{argument.Key}: {argument.Value}");
                    Console.WriteLine($"Call: {call.Name}({string.Join(", ", arguments)})");
                    break;
                case FunctionResultContent result:
                    Console.WriteLine($"Result: {result.Result}");
                    break;
            }
        }
    }
    Console.WriteLine();
    return 0;
}
catch (NlftException refusal)
{
    Console.Error.WriteLine(refusal.Message);
    return 1;
}
