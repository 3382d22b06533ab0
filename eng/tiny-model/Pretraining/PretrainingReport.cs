using System.Text.Json;

namespace Microsoft.ML.Nlft.TinyModel.Pretraining;

/// <summary>The report of a pretraining run, kept beside the model as pretraining.json so that the card can be generated again.</summary>
/// <param name="Steps">Optimizer steps.</param>
/// <param name="Parameters">Number of weights.</param>
/// <param name="Rows">Rows seen.</param>
/// <param name="Tokens">Tokens seen, prompts included.</param>
/// <param name="FinalLoss">Mean loss of the last 50 steps.</param>
/// <param name="Minutes">Duration in minutes.</param>
/// <param name="Cores">Processors of the machine, which may have run other work.</param>
public sealed record PretrainingReport(int Steps, long Parameters, int Rows, long Tokens, double FinalLoss, double Minutes, int Cores)
{
    private const string FileName = "pretraining.json";

    private static readonly JsonSerializerOptions s_format = new()
    {
        WriteIndented = true, NewLine = "\n", PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
    };

    /// <summary>Reads the report in a model's folder; returns null if there is none.</summary>
    public static PretrainingReport? Load(string folder)
    {
        var path = Path.Combine(folder, FileName);
        return File.Exists(path) ? JsonSerializer.Deserialize<PretrainingReport>(File.ReadAllBytes(path), s_format) : null;
    }

    /// <summary>Writes the report into the model's folder.</summary>
    public void Save(string folder) => File.WriteAllText(Path.Combine(folder, FileName), JsonSerializer.Serialize(this, s_format) + "\n");
}
