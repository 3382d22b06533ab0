using System.Text;
using Microsoft.ML.Nlft.Monitoring;

namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>The readers of requests: the live page, and the server of nlft serve.</summary>
internal static class RequestTargets
{
    private static readonly Lazy<LivePage> s_page = new(() =>
    {
        var page = new LivePage();
        page.End(null); // a message for /events
        return page;
    });

    private static readonly Lazy<ChatPipeline> s_chat = new(() => new ChatPipeline());

    /// <summary>What stands in a request for the port of the page, which differs from run to run.</summary>
    private const string Port = "PORT";

    private static readonly string[] s_heads = ["GET /events HTTP/1.1", "POST / HTTP/1.1", "GET /map HTTP/1.0", "GET http://localhost/ HTTP/1.1",
        "Host: localhost:" + Port, "host: 127.0.0.1:" + Port, "Host: evil.example", "Last-Event-ID: 2147483647", "Last-Event-ID: -1",
        "Last-Event-ID: 0", "\r\n\r\n", "\r\n", ":", " ", "\0", "Connection: close"];

    private static readonly Texts s_texts = new(Encoding.Latin1, Changes: 4, Part: 20, Longest: 20_000);

    /// <summary>Gets the targets.</summary>
    public static IReadOnlyList<Target> All { get; } =
    [
        new("page", "request.txt", SeedFiles.Of("page"), Heads, folder => Ask(File.ReadAllBytes(Path.Combine(folder, "request.txt")))),
        new("chat", "request.json", SeedFiles.Of("chat"), Json.Mutate, folder =>
            s_chat.Value.Post(File.ReadAllBytes(Path.Combine(folder, "request.json")))) { Memory = 64 << 20 },
    ];

    /// <summary>Sends a request to the live page without a socket. An answer other than 200 is a refusal.</summary>
    private static void Ask(byte[] request)
    {
        var page = s_page.Value;
        var bytes = Encoding.Latin1.GetBytes(Encoding.Latin1.GetString(request)
            .Replace(Port, FormattableString.Invariant($"{page.Address.Port}"), StringComparison.Ordinal));
        using var connection = new Connection(bytes);
        page.ServeAsync(connection, connection.Closed).GetAwaiter().GetResult();
        var status = Encoding.Latin1.GetString(connection.Written).Split("\r\n")[0];
        if (!status.StartsWith("HTTP/1.1 200 ", StringComparison.Ordinal))
            throw new NlftException("request", status, $"another request than one that gets '{status}'", "Send the next one.");
    }

    private static byte[] Heads(Draw random, byte[] input) => random.Next(3) == 0 ? Bytes.Mutate(random, input)
        : s_texts.Mutate(random, input, s_heads);
}
