using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Models;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Training;

/// <summary>What a run's result depends on, small enough to lie in every checkpoint: a run goes on only from a checkpoint of the same.</summary>
/// <param name="BaseModel">What tells the base model apart; empty when nobody said.</param>
/// <param name="Options">Every option of training, adapter and objective by name.</param>
/// <param name="Rows">One hash per row.</param>
internal sealed record RunIdentity(string BaseModel, IReadOnlyDictionary<string, string> Options, IReadOnlyList<string> Rows)
{
    /// <summary>What a run does when it is cancelled changes nothing of what it has done.</summary>
    private static readonly string[] NotCompared = [nameof(FineTuneOptions.ReturnPartialOnCancel)];

    private const int NamedRows = 5;

    /// <summary>The identity of a run.</summary>
    public static RunIdentity Of(string? baseModel, ICausalLanguageModel model, ITokenObjective objective, FineTuneOptions options, IReadOnlyList<EncodedExample> rows)
    {
        var values = new SortedDictionary<string, string>(StringComparer.Ordinal) { ["Trainable"] = model.Trainable.ToString(), ["Objective"] = objective.Name };
        void Add(string prefix, object? record)
        {
            foreach (var (name, value) in OptionValues.Of(record, text => $"\"{text}\""))
                if (!NotCompared.Contains(name)) values[prefix + name] = value;
        }
        Add("", options);
        Add("Lora.", model.Lora);
        Add("Objective.", (objective as NaturalLanguageObjective)?.Options); // of an objective of somebody else's only the name is known
        return new RunIdentity(baseModel ?? "", values, [.. rows.Select(Hash)]);
    }

    /// <summary>Each difference in words, this run's value second; none when both are the same run.</summary>
    /// <param name="saved">The other.</param>
    /// <param name="otherPlace">What the words call its place.</param>
    /// <param name="place">What they call this one's.</param>
    public IEnumerable<string> DifferencesFrom(RunIdentity saved, string otherPlace = "there", string place = "here")
    {
        if (saved.BaseModel != BaseModel) yield return $"base model {Short(saved.BaseModel)} {otherPlace}, {Short(BaseModel)} {place}";
        foreach (var name in saved.Options.Keys.Union(Options.Keys).Order(StringComparer.Ordinal))
        {
            var (there, here) = (saved.Options.GetValueOrDefault(name, "none"), Options.GetValueOrDefault(name, "none"));
            if (there != here) yield return $"{name} {there} {otherPlace}, {here} {place}";
        }
        if (saved.Rows.Count != Rows.Count) yield return $"{saved.Rows.Count} rows {otherPlace}, {Rows.Count} {place}";
        var changed = Enumerable.Range(0, Math.Min(saved.Rows.Count, Rows.Count)).Where(row => saved.Rows[row] != Rows[row]).Select(row => row + 1).ToList();
        if (changed.Count > 0)
            yield return $"another row {string.Join(", ", changed.Take(NamedRows))}{(changed.Count > NamedRows ? $" and {changed.Count - NamedRows} more" : "")}";
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
