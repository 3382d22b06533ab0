using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Training;

/// <summary>What a run's result depends on, small enough to lie in every checkpoint: a run goes on only from a checkpoint of the same.</summary>
/// <param name="BaseModel">What tells the base model apart; empty when nobody said.</param>
/// <param name="Engine">What computes (<see cref="IModelEngine.Arithmetic"/>); null when nobody said.</param>
/// <param name="Options">Every option of training, adapter and objective by name.</param>
/// <param name="Rows">One hash per row.</param>
internal sealed record RunIdentity(string BaseModel, string? Engine, IReadOnlyDictionary<string, string> Options, IReadOnlyList<string> Rows)
{
    /// <summary>What a run does when it is cancelled, or once it has gone on, changes nothing of what it has done.</summary>
    private static readonly string[] NotCompared = [nameof(FineTuneOptions.ReturnPartialOnCancel), nameof(FineTuneOptions.ResumeOnAnotherEngine)];
    private const string ObjectivePrefix = "Objective.";
    private const int NamedRows = 5;

    /// <summary>The identity of a run.</summary>
    public static RunIdentity Of(
        string? baseModel, string? engine, ICausalLanguageModel model, ITokenObjective objective, FineTuneOptions options,
        IReadOnlyList<EncodedExample> rows)
    {
        var values = new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            ["Trainable"] = model.Trainable.ToString(),
            ["Objective"] = objective.Name,
        };
        void Add(string prefix, object? record)
        {
            foreach (var (name, value) in OptionValues.Of(record, text => $"\"{text}\""))
                if (!NotCompared.Contains(name)) values[prefix + name] = value;
        }
        Add("", options);
        Add("Lora.", model.Lora);
        foreach (var (name, value) in objective.Settings) values[ObjectivePrefix + name] = value;
        return new RunIdentity(baseModel ?? "", engine, values, [.. rows.Select(Hash)]);
    }

    /// <summary>Whether another engine computed the other; false when one of the two does not say which.</summary>
    public bool IsOnAnotherEngineThan(RunIdentity saved) => Engine is not null && saved.Engine is not null && Engine != saved.Engine;

    /// <summary>Each difference in words, this run's value second; none when a run may go on from the other.</summary>
    /// <param name="saved">The other.</param>
    /// <param name="anyEngine">Whether the engines may differ.</param>
    /// <param name="otherPlace">What the words call the other's place.</param>
    /// <param name="place">What they call this one's.</param>
    public IEnumerable<string> DifferencesFrom(RunIdentity saved, bool anyEngine = false, string otherPlace = "there", string place = "here")
    {
        if (saved.BaseModel != BaseModel) yield return $"base model {Short(saved.BaseModel)} {otherPlace}, {Short(BaseModel)} {place}";
        if (!anyEngine && IsOnAnotherEngineThan(saved)) yield return $"engine \"{saved.Engine}\" {otherPlace}, \"{Engine}\" {place}";
        foreach (var name in saved.Options.Keys.Union(Options.Keys).Order(StringComparer.Ordinal))
        {
            // A setting that an objective has gained since then is not known of the other run.
            if (name.StartsWith(ObjectivePrefix, StringComparison.Ordinal) && !saved.Options.ContainsKey(name)) continue;
            var (there, here) = (saved.Options.GetValueOrDefault(name, "none"), Options.GetValueOrDefault(name, "none"));
            if (there != here) yield return $"{name} {there} {otherPlace}, {here} {place}";
        }
        if (saved.Rows.Count != Rows.Count) yield return $"{saved.Rows.Count} rows {otherPlace}, {Rows.Count} {place}";
        var changed = Enumerable.Range(0, Math.Min(saved.Rows.Count, Rows.Count))
            .Where(row => saved.Rows[row] != Rows[row]).Select(row => row + 1).ToList();
        if (changed.Count > 0)
            yield return $"another row {string.Join(", ", changed.Take(NamedRows))}"
                + (changed.Count > NamedRows ? $" and {changed.Count - NamedRows} more" : "");
    }

    private static string Short(string fingerprint) => fingerprint.Length == 0 ? "unnamed" : fingerprint[..Math.Min(12, fingerprint.Length)];

    /// <summary>Token ids and polarity: wherever the row came from, training on it is the same.</summary>
    private static string Hash(EncodedExample row)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData([(byte)row.Polarity]);
        foreach (var tokens in (ReadOnlyMemory<int>[])[row.Response, .. ExampleCheck.AllContexts.Select(row.Prompt)])
        {
            hash.AppendData(BitConverter.GetBytes(tokens.Length));
            hash.AppendData(MemoryMarshal.AsBytes(tokens.Span));
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset())[..16];
    }
}
