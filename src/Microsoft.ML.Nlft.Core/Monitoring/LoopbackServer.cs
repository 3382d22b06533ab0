using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Monitoring;

/// <summary>
/// Implements the part of HTTP/1.1 that the live page needs: GET of a few paths, one of which streams. It listens on the loopback address only and
/// answers only requests whose Host header names it, which prevents DNS rebinding.
/// </summary>
/// <remarks>
/// It uses TcpListener because HttpListener cannot choose a free port and goes through the kernel's HTTP service on Windows, and because ASP.NET Core
/// would add a framework reference to the library.
/// </remarks>
internal sealed class LoopbackServer : IDisposable
{
    private const int MaximumHeadLength = 16 * 1024;

    private static readonly TimeSpan s_headTimeout = TimeSpan.FromSeconds(10);

    private readonly TcpListener _listener;
    private readonly CancellationTokenSource _stop = new();
    private readonly Func<Request, CancellationToken, Task> _answer;

    /// <summary>Starts to listen.</summary>
    /// <param name="port">The TCP port; 0: any free port.</param>
    /// <param name="answer">Answers one request; connection failures are ignored.</param>
    /// <exception cref="NlftException">The port is in use or out of range.</exception>
    public LoopbackServer(int port, Func<Request, CancellationToken, Task> answer)
    {
        OptionCheck.Require(port is >= 0 and <= ushort.MaxValue, nameof(port), port, "0 (any free port) to 65535", "Leave it out for a free port.");
        (_listener, _answer) = (new TcpListener(IPAddress.Loopback, port), answer);
        try
        {
            _listener.Start();
        }
        catch (SocketException e)
        {
            _listener.Dispose();
            throw new NlftException($"port {port} of {IPAddress.Loopback}", e.Message, "a free port", "Name another port, or 0 for any.", e);
        }
        EndPoint = (IPEndPoint)_listener.LocalEndpoint;
        _ = Task.Run(AcceptAsync);
    }

    /// <summary>Gets the address and port.</summary>
    public IPEndPoint EndPoint { get; }

    /// <summary>A request with the stream for its answer.</summary>
    /// <param name="Path">The path, without a query.</param>
    /// <param name="Headers">The headers by name; names ignore case.</param>
    /// <param name="Stream">The connection, which closes after the answer.</param>
    internal sealed record Request(string Path, IReadOnlyDictionary<string, string> Headers, Stream Stream)
    {
        /// <summary>Writes the head of an answer whose body ends with the connection.</summary>
        public async Task BeginAsync(string status, string contentType, string policy, CancellationToken cancellationToken)
        {
            var head = $"HTTP/1.1 {status}\r\nContent-Type: {contentType}\r\nConnection: close\r\nCache-Control: "
                + "no-store\r\nX-Content-Type-Options: nosniff\r\n" +
                $"Content-Security-Policy: {policy}\r\nReferrer-Policy: no-referrer\r\n\r\n";
            await Stream.WriteAsync(Encoding.ASCII.GetBytes(head), cancellationToken).ConfigureAwait(false);
        }

        /// <summary>Writes a whole answer.</summary>
        public async Task AnswerAsync(string status, string contentType, byte[] body, string policy, CancellationToken cancellationToken)
        {
            await BeginAsync(status, contentType, policy, cancellationToken).ConfigureAwait(false);
            await Stream.WriteAsync(body, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                var client = await _listener.AcceptTcpClientAsync(_stop.Token).ConfigureAwait(false);
                _ = Task.Run(() => ServeAsync(client));
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or SocketException)
            {
                if (e is not SocketException) return;
            }
        }
    }

    /// <summary>Serves one connection.</summary>
    private async Task ServeAsync(TcpClient client)
    {
        using var owned = client;
        client.NoDelay = true;
        await ServeAsync(client.GetStream(), _stop.Token).ConfigureAwait(false);
    }

    /// <summary>Serves one request on one connection. A failure of the connection never reaches the run.</summary>
    internal async Task ServeAsync(Stream stream, CancellationToken cancellationToken)
    {
        try
        {
            if (await ReadHeadAsync(stream, cancellationToken).ConfigureAwait(false) is not { } head) return;
            var lines = head.Split("\r\n");
            var first = lines[0].Split(' ');
            var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
            var ambiguous = false; // another program may read another host: the second one, or a line that continues the first
            foreach (var line in lines.Skip(1))
            {
                var name = line.Split(':', 2) is [var before, _] ? before : "";
                ambiguous |= name.Length == 0 || name.Any(char.IsWhiteSpace) || line.AsSpan().ContainsAny('\r', '\n')
                    || (!headers.TryAdd(name, line[(name.Length + 1)..].Trim()) && name.Equals("Host", StringComparison.OrdinalIgnoreCase));
            }
            var request = new Request(first.Length > 1 ? first[1].Split('?')[0] : "", headers, stream);
            var host = headers.GetValueOrDefault("Host", "");
            var refusal = first is not ["GET", _, "HTTP/1.1" or "HTTP/1.0"] ? "405 Method Not Allowed"
                : ambiguous ? "400 Bad Request"
                : host != Name(IPAddress.Loopback.ToString()) && host != Name("localhost") ? "403 Forbidden" : null;
            if (refusal is null)
            {
                await _answer(request, cancellationToken).ConfigureAwait(false);
            }
            else
            {
                await request.AnswerAsync(refusal, "text/plain", Encoding.ASCII.GetBytes(refusal), "default-src 'none'", cancellationToken)
                    .ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The browser disconnected, or the server stopped.
        }
    }

    private string Name(string host) => string.Create(CultureInfo.InvariantCulture, $"{host}:{EndPoint.Port}");

    /// <summary>Reads the request line and the headers; null when they are incomplete or too long.</summary>
    private static async Task<string?> ReadHeadAsync(Stream stream, CancellationToken cancellationToken)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timeout.CancelAfter(s_headTimeout);
        var (buffer, length) = (new byte[MaximumHeadLength], 0);
        while (length < buffer.Length)
        {
            var read = await stream.ReadAsync(buffer.AsMemory(length), timeout.Token).ConfigureAwait(false);
            if (read == 0) return null;
            length += read;
            var end = buffer.AsSpan(0, length).IndexOf("\r\n\r\n"u8);
            if (end >= 0) return Encoding.ASCII.GetString(buffer, 0, end);
        }
        return null;
    }

    /// <summary>Stops listening and ends every connection.</summary>
    public void Dispose()
    {
        _stop.Cancel();
        _listener.Dispose();
    }
}
