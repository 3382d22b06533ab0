using System.Diagnostics;
using System.Text.Json;

namespace Microsoft.ML.Nlft.Gpu;

/// <summary>
/// The baselines: <c>pytorch-lean</c> and <c>pytorch-published</c> run the script next to this program on the same rows; <c>peer-sft</c>,
/// <c>peer-lean</c> and <c>peer-published</c> run the script of the shared test data, which supports two of the shapes, one row and the CPU.
/// </summary>
internal static class PyTorch
{
    private const string Own = "pytorch-", Peer = "peer-";

    public static bool IsBaseline(string mode) => mode.StartsWith(Own, StringComparison.Ordinal) || mode.StartsWith(Peer, StringComparison.Ordinal);

    /// <summary>Returns the command that measures a baseline.</summary>
    public static ProcessStartInfo Command(Workload work, string mode)
    {
        string[] lengths = [$"{work.Prompt}", $"{work.Extra}", $"{work.Response}", $"{work.Steps}"];
        if (mode.StartsWith(Own, StringComparison.Ordinal))
        {
            var own = Path.Combine(AppContext.BaseDirectory, "pytorch_step.py");
            var configuration = Path.Combine(work.Folder, work.Shape, "config.json");
            return new ProcessStartInfo(work.Python, [own, configuration, work.Device, mode[Own.Length..], $"{work.Rows}", .. lengths]);
        }
        var fixtures = Environment.GetEnvironmentVariable("NLFT_FIXTURES") ?? Path.Combine("..", "shared");
        return new ProcessStartInfo(work.Python,
        [
            Path.Combine(fixtures, "peers", "torch_nlft_step.py"), "--shape", work.Shape, "--variant", mode[Peer.Length..],
            "--prompt", lengths[0], "--extra", lengths[1], "--response", lengths[2], "--steps", lengths[3],
            "--threads", $"{(work.Threads > 0 ? work.Threads : Environment.ProcessorCount)}",
        ]);
    }

    /// <summary>Parses the measurement that the script of the shared test data printed; null if there is none.</summary>
    public static Measurement? Read(string mode, string[] lines)
    {
        if (!mode.StartsWith(Peer, StringComparison.Ordinal) || Array.Find(lines, line => line.StartsWith('{')) is not { } line) return null;
        using var json = JsonDocument.Parse(line);
        return new Measurement(json.RootElement.GetProperty("seconds").GetDouble(), null, json.RootElement.GetProperty("peak_mib").GetInt64() << 20);
    }
}
