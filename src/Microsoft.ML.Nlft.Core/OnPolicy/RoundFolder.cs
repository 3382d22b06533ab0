using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.OnPolicy;

/// <summary>
/// The files of a run in rounds: run.json says what the run depends on; round-0001 and so on hold the journals of drawing and judging, then the
/// judged responses, then the checkpoints of the training, and last round.json, which says that the round has ended. Every file is written whole.
/// </summary>
internal sealed partial class RoundFolder(string folder)
{
    /// <summary>The journal of the responses of a round.</summary>
    public string Responses(int round) => In(round, "responses.partial");

    /// <summary>The journal of the judgments of a round.</summary>
    public string Judgments(int round) => In(round, "judgments.partial");

    private string Rows(int round) => In(round, "rows.jsonl");

    /// <summary>The checkpoints of a round's training.</summary>
    public string Checkpoints(int round) => In(round, "checkpoints");

    private string Report(int round) => In(round, "round.json");

    private string In(int round, string name) => Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"round-{round:0000}"), name);

    /// <summary>Writes what the run depends on, or compares it with what an interrupted run wrote.</summary>
    /// <param name="identity">Names and values.</param>
    /// <param name="writes">Whether this process writes.</param>
    /// <exception cref="NlftException">The folder holds another run; the message names what differs.</exception>
    public void Begin(IReadOnlyDictionary<string, string> identity, bool writes)
    {
        var path = Path.Combine(folder, "run.json");
        if (!File.Exists(path))
        {
            if (writes) Write(path, identity, RoundJson.Default.IReadOnlyDictionaryStringString);
            return;
        }
        FolderIdentity.Require(folder, Read(path, RoundJson.Default.IReadOnlyDictionaryStringString), identity);
    }

    /// <summary>The reports of the rounds that have ended, in order.</summary>
    public IReadOnlyList<OnPolicyRound> Finished()
    {
        var reports = new List<OnPolicyRound>();
        while (File.Exists(Report(reports.Count + 1))) reports.Add(Read(Report(reports.Count + 1), RoundJson.Default.OnPolicyRound));
        return reports;
    }

    /// <summary>The judged responses of a round; null if it has not come that far.</summary>
    public IReadOnlyList<DataRow>? Judged(int round) => !File.Exists(Rows(round)) ? null
        : new FileInfo(Rows(round)).Length == 0 ? [] : DataFile.Read(Rows(round), RowFormat.JsonLines);

    /// <summary>The judged responses of a round that has ended.</summary>
    /// <exception cref="NlftException">Their file is gone.</exception>
    public IReadOnlyList<DataRow> JudgedBefore(int round) => Judged(round)
        ?? throw new NlftException(Rows(round), "no such file", $"the judged responses of round {round}", "Name another folder to begin anew.");

    /// <summary>Writes the judged responses of a round; its journals go.</summary>
    public void Keep(int round, IReadOnlyList<DataRow> rows)
    {
        AtomicFile.Write(Rows(round), stream => DataFile.WriteJsonLines(stream, rows));
        foreach (var journal in (string[])[Responses(round), Judgments(round)]) WriteFault.Ignore(() => File.Delete(journal));
    }

    /// <summary>Writes that the last round has ended; the checkpoints before the last one that trained go.</summary>
    public void End(IReadOnlyList<OnPolicyRound> rounds)
    {
        Write(Report(rounds.Count), rounds[^1], RoundJson.Default.OnPolicyRound);
        foreach (var old in rounds.Where(round => round.Steps > 0).SkipLast(1))
            WriteFault.Ignore(() => WriteFault.DeleteFolder(Checkpoints(old.Round)));
    }

    /// <summary>The state at the end of the rounds that have ended; null: none has trained.</summary>
    /// <exception cref="NlftException">It is damaged or missing.</exception>
    public Checkpoint? State(IReadOnlyList<OnPolicyRound> finished)
    {
        if (finished.LastOrDefault(report => report.Steps > 0) is not { } last) return null;
        var found = Checkpoint.Find(Checkpoints(last.Round)) ?? throw new NlftException(Checkpoints(last.Round), "no checkpoint",
            $"that of the end of round {last.Round}", "Name another folder to begin anew.");
        return found.Checkpoint;
    }

    private static void Write<T>(string path, T value, JsonTypeInfo<T> type) =>
        AtomicFile.Write(path, stream => JsonSerializer.Serialize(stream, value, type));

    private static T Read<T>(string path, JsonTypeInfo<T> type)
    {
        try
        {
            using var file = InputFile.Open(path, "what a run in rounds wrote");
            return JsonSerializer.Deserialize(file, type) ?? throw new JsonException("null");
        }
        catch (Exception e) when (e is JsonException or NotSupportedException)
        {
            throw new NlftException(path, $"something else ({e.Message})", "what a run in rounds wrote", "Name another folder to begin anew.", e);
        }
    }

    [JsonSourceGenerationOptions(WriteIndented = true, GenerationMode = JsonSourceGenerationMode.Metadata)]
    [JsonSerializable(typeof(IReadOnlyDictionary<string, string>))]
    [JsonSerializable(typeof(OnPolicyRound))]
    private sealed partial class RoundJson : JsonSerializerContext;
}
