using System.Diagnostics;
using System.Net;

namespace Microsoft.ML.Nlft.Browser;

/// <summary>The site in a temporary folder, and a small server for it: its scripts fetch their contents, which a browser refuses for files.</summary>
internal sealed class SiteFolder : IDisposable
{
    private static readonly Dictionary<string, string> s_types = new()
    {
        [".html"] = "text/html", [".js"] = "text/javascript", [".css"] = "text/css", [".json"] = "application/json", [".svg"] = "image/svg+xml",
    };

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("nlft-site-");
    private readonly HttpListener _server = new();

    /// <summary>Builds the site and serves it.</summary>
    public SiteFolder()
    {
        Path = System.IO.Path.Combine(_folder.FullName, "site");
        try
        {
            Run("msbuild", "eng/build.proj", "-nologo", "-verbosity:minimal", "-nodeReuse:false", "-target:Site", $"-property:SiteFolder={Path}",
                $"-property:SiteAssemblies={AppContext.BaseDirectory}");
            Address = $"http://127.0.0.1:{FreePort()}/";
            _server.Prefixes.Add(Address);
            _server.Start();
            _ = Serve();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public string Path { get; }

    /// <summary>Where the server answers, with a slash at the end.</summary>
    public string Address { get; } = "";

    public void Dispose()
    {
        _server.Close();
        _folder.Delete(recursive: true);
    }

    private async Task Serve()
    {
        while (_server.IsListening)
        {
            try
            {
                var request = await _server.GetContextAsync();
                var file = System.IO.Path.Combine(Path, request.Request.Url!.LocalPath.TrimStart('/'));
                using var response = request.Response;
                if (File.Exists(file))
                {
                    response.ContentType = s_types.GetValueOrDefault(System.IO.Path.GetExtension(file), "application/octet-stream");
                    response.OutputStream.Write(File.ReadAllBytes(file));
                }
                else
                {
                    response.StatusCode = 404;
                }
            }
            catch (Exception error) when (error is HttpListenerException or ObjectDisposedException)
            {
                // The browser went away, or the server was closed.
            }
        }
    }

    private static int FreePort()
    {
        using var probe = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }

    private static void Run(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", arguments) { WorkingDirectory = Fixtures.RepositoryRoot(), RedirectStandardOutput = true };
        start.Environment["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1";
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.AreEqual(0, process.ExitCode, output);
    }
}
