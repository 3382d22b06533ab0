using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Training;

/// <summary>
/// Identifies everything that a run's result depends on, small enough to store in every checkpoint: a run resumes only from a checkpoint with the
/// same identity.
/// </summary>
/// <param name="BaseModel">Fingerprint of the base model; empty when unknown.</param>
/// <param name="Engine">The engine (<see cref="IModelEngine.Arithmetic"/>); null when unknown.</param>
/// <param name="Options">Every option of training, adapter and objective by name.</param>
/// <param name="Rows">One hash per row.</param>
internal sealed record RunIdentity(string BaseModel, string? Engine, IReadOnlyDictionary<string, string> Options, IReadOnlyList<string> Rows)
{
    /// <summary>Options that do not change what was trained so far: what to do on cancellation, and how to resume.</summary>
    private static readonly string[] NotCompared = [nameof(FineTuneOptions.ReturnPartialOnCancel), nameof(FineTuneOptions.ResumeOnAnotherEngine)];
    private const string ObjectivePrefix = "Objective.", LoraPrefix = "Lora.", LoraRank = LoraPrefix + nameof(ModelFiles.LoraConfiguration.Rank);
    private const int NamedRows = 5;

    /// <summary>Returns the identity of a run.</summary>
    public static RunIdentity Of(
        string? baseModel, string? engine, ICausalLanguageModel model, ITokenObjective objective, FineTuneOptions options,
        RunRows rows)
    {
        var values = new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            ["Trainable"] = model.Trainable.ToString(),
            ["Objective"] = objective.Name,
        };
        void Add<[DynamicallyAccessedMembers(OptionValues.Kept)] T>(string prefix, T? record)
            where T : class
        {
            foreach (var (name, value) in OptionValues.Of(record, text => $"\"{text}\""))
                if (!NotCompared.Contains(name)) values[prefix + name] = value;
        }
        Add("", options);
        if (rows.Validation.Count > 0)
        {
            Add("Validation.", options.Validation);
            values["Validation rows"] = $"{rows.Validation.Count} ({HashOfValidation(rows)})";
        }
        Add(LoraPrefix, model.Lora);
        foreach (var (name, value) in objective.Settings) values[ObjectivePrefix + name] = value;
        return new RunIdentity(baseModel ?? "", engine, values, [.. rows.Training.Select(Hash)]);
    }

    /// <summary>Whether the engines differ; false when one of them is unknown.</summary>
    public bool IsOnAnotherEngineThan(RunIdentity saved) => Engine is not null && saved.Engine is not null && Engine != saved.Engine;

    /// <summary>Describes each difference, with this run's value second; empty when the run may resume from the other.</summary>
    /// <param name="saved">The other identity.</param>
    /// <param name="anyEngine">Whether the engines may differ.</param>
    /// <param name="otherPlace">The word for the other run's place.</param>
    /// <param name="place">The word for this run's place.</param>
    public IEnumerable<string> DifferencesFrom(RunIdentity saved, bool anyEngine = false, string otherPlace = "there", string place = "here")
    {
        if (saved.BaseModel != BaseModel) yield return $"base model {Short(saved.BaseModel)} {otherPlace}, {Short(BaseModel)} {place}";
        if (!anyEngine && IsOnAnotherEngineThan(saved)) yield return $"engine \"{saved.Engine}\" {otherPlace}, \"{Engine}\" {place}";
        foreach (var name in saved.Options.Keys.Union(Options.Keys).Order(StringComparer.Ordinal))
        {
            // The other run does not have settings that the objective or the adapter gained since then.
            var gaining = name.StartsWith(ObjectivePrefix, StringComparison.Ordinal)
                || (name.StartsWith(LoraPrefix, StringComparison.Ordinal) && saved.Options.ContainsKey(LoraRank));
            if (gaining && !saved.Options.ContainsKey(name)) continue;
            var (there, here) = (saved.Options.GetValueOrDefault(name, "none"), Options.GetValueOrDefault(name, "none"));
            if (there != here) yield return $"{name} {there} {otherPlace}, {here} {place}";
        }
        if (saved.Rows.Count != Rows.Count) yield return $"{saved.Rows.Count} rows {otherPlace}, {Rows.Count} {place}";
        var changed = Enumerable.Range(0, Math.Min(saved.Rows.Count, Rows.Count))
            .Where(row => saved.Rows[row] != Rows[row]).Select(row => row + 1).ToList();
        if (changed.Count > 0)
        {
            yield return $"another row {string.Join(", ", changed.Take(NamedRows))}"
                + (changed.Count > NamedRows ? $" and {changed.Count - NamedRows} more" : "");
        }
    }

    private static string HashOfValidation(RunRows rows)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var row in rows.Validation) hash.AppendData(Encoding.ASCII.GetBytes(Hash(row)));
        foreach (var (prompt, expected) in rows.Answers?.Questions ?? [])
        {
            hash.AppendData(MemoryMarshal.AsBytes<int>(prompt));
            hash.AppendData(Encoding.UTF8.GetBytes($"\n{expected}\n"));
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset())[..12];
    }

    private static string Short(string fingerprint) => fingerprint.Length == 0 ? "unnamed" : fingerprint[..Math.Min(12, fingerprint.Length)];

    /// <summary>Hashes token ids, polarity and which tokens count, which determine training, whatever the row's source.</summary>
    private static string Hash(EncodedExample row)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData([(byte)row.Polarity]);
        foreach (var tokens in (ReadOnlyMemory<int>[])[row.Response, .. ExampleCheck.AllContexts.Select(row.Prompt)])
        {
            hash.AppendData(BitConverter.GetBytes(tokens.Length));
            hash.AppendData(MemoryMarshal.AsBytes(tokens.Span));
        }
        hash.AppendData(MemoryMarshal.AsBytes(row.Counted.Span));
        return Convert.ToHexStringLower(hash.GetHashAndReset())[..16];
    }
}
