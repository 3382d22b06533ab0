using System.Diagnostics;
using System.Text.Json;

namespace Microsoft.ML.Nlft.Gpu;

/// <summary>
/// The PyTorch baselines: <c>pytorch-lean</c> and <c>pytorch-published</c> run the script beside this program with the same rows; <c>peer-sft</c>,
/// <c>peer-lean</c> and <c>peer-published</c> run the script of the shared test data, which supports two of the shapes, one row and the CPU.
/// </summary>
internal static class PyTorch
{
    private const string Own = "pytorch-", Peer = "peer-";

    public static bool IsBaseline(string mode) => mode.StartsWith(Own, StringComparison.Ordinal) || mode.StartsWith(Peer, StringComparison.Ordinal);

    /// <summary>Returns the command of a baseline.</summary>
    public static ProcessStartInfo Command(Workload work, string mode) => mode.StartsWith(Own, StringComparison.Ordinal)
        ? new ProcessStartInfo(work.Python, [Path.Combine(AppContext.BaseDirectory, "pytorch_step.py"),
            Path.Combine(work.Folder, work.Shape, "config.json"), work.Device, mode[Own.Length..],
            $"{work.Rows}", $"{work.Prompt}", $"{work.Extra}", $"{work.Response}", $"{work.Steps}"])
        : new ProcessStartInfo(work.Python, [Path.Combine(Environment.GetEnvironmentVariable("NLFT_FIXTURES") ?? Path.Combine("..", "shared"),
            "peers", "torch_nlft_step.py"),
            "--shape", work.Shape, "--variant", mode[Peer.Length..], "--prompt", $"{work.Prompt}", "--extra", $"{work.Extra}", "--response",
            $"{work.Response}",
            "--steps", $"{work.Steps}", "--threads", $"{(work.Threads > 0 ? work.Threads : Environment.ProcessorCount)}"]);

    /// <summary>Parses the printed measurement; null when there is none.</summary>
    public static Measurement? Read(string mode, string[] lines)
    {
        if (!mode.StartsWith(Peer, StringComparison.Ordinal) || Array.Find(lines, line => line.StartsWith('{')) is not { } line) return null;
        using var json = JsonDocument.Parse(line);
        return new Measurement(json.RootElement.GetProperty("seconds").GetDouble(), null, json.RootElement.GetProperty("peak_mib").GetInt64() << 20);
    }
}
