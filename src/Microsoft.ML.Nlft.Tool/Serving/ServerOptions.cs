using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Tool.Serving;

/// <summary>Where a server listens and what it accepts.</summary>
internal sealed record ServerOptions
{
    /// <summary>
    /// The address to listen on: 127.0.0.1 or localhost for this machine alone, 0.0.0.0 or :: for every network, or an address of this machine.
    /// Default 127.0.0.1.
    /// </summary>
    public string Host { get; init; } = "127.0.0.1";

    /// <summary>The port, from 0 to 65535; 0: any free one. Default 8080.</summary>
    public int Port { get; init; } = 8080;

    /// <summary>
    /// Names that the Host header of a request may have, besides localhost on this machine; * for any. Default: any over the network, none on this
    /// machine, so that pages of other sites cannot reach the server by DNS rebinding. Behind a proxy, name its host here.
    /// </summary>
    public IReadOnlyList<string> AllowedHosts { get; init; } = [];

    /// <summary>Most answers that run and wait at the same time, 1 or more; further requests get status 503. Default 64.</summary>
    public int MaximumAnswers { get; init; } = 64;

    /// <summary>Most bytes of a request's body, 1 or more. Default 16777216.</summary>
    public int MaximumBodyBytes { get; init; } = 1 << 24;

    /// <summary>Seconds that running answers have to end when the server is stopped, 0 to 3600. Default 30.</summary>
    public int StopTimeout { get; init; } = 30;

    /// <summary>Checks that every option is within its range.</summary>
    /// <exception cref="NlftException">An option is out of range.</exception>
    public void Validate()
    {
        OptionCheck.Require(Host == "localhost" || System.Net.IPAddress.TryParse(Host, out _), nameof(Host), Host,
            "localhost or an IP address", "Use 127.0.0.1 for this machine alone, or 0.0.0.0 for every network.");
        OptionCheck.Require(Port is >= 0 and <= 65535, nameof(Port), Port, "0 to 65535", "Use 0 for any free port.");
        OptionCheck.Require(MaximumAnswers >= 1, nameof(MaximumAnswers), MaximumAnswers, "1 or more", "Leave it out for 64.");
        OptionCheck.Require(MaximumBodyBytes >= 1, nameof(MaximumBodyBytes), MaximumBodyBytes, "1 or more", "Leave it out for 16 MiB.");
        OptionCheck.Require(StopTimeout is >= 0 and <= 3600, nameof(StopTimeout), StopTimeout, "0 to 3600 seconds", "Leave it out for 30.");
    }
}
