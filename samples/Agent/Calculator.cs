using System.ComponentModel;
using ModelContextProtocol.Server;

namespace Agent;

/// <summary>A server of the Model Context Protocol on standard input and output, with tools that calculate.</summary>
internal static class Calculator
{
    /// <summary>Serves until standard input ends.</summary>
    public static async Task ServeAsync()
    {
        var options = new McpServerOptions
        {
            ServerInfo = new() { Name = "calculator", Version = "1" },
            ToolCollection = [Tool("add", Add), Tool("multiply", Multiply)],
        };
        await using var server = McpServer.Create(new StdioServerTransport(options), options);
        await server.RunAsync();
    }

    private static McpServerTool Tool(string name, Delegate method) => McpServerTool.Create(method, new() { Name = name });

    [Description("Adds two numbers.")]
    private static double Add(double a, double b) => a + b;

    [Description("Multiplies two numbers.")]
    private static double Multiply(double a, double b) => a * b;
}
