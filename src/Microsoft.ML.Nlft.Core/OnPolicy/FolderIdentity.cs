using System.Diagnostics.CodeAnalysis;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.OnPolicy;

/// <summary>What the result of a run depends on, by name, to compare with what the run depended on that wrote to its folder.</summary>
internal static class FolderIdentity
{
    /// <summary>Returns model, engine, every option, and what the kind of run adds.</summary>
    public static SortedDictionary<string, string> Of<[DynamicallyAccessedMembers(OptionValues.Kept)] T>(
        LocalModel model, T options, params IEnumerable<(string Name, string Value)> others)
        where T : class
    {
        var values = new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            ["Model"] = model.Folder.WeightFingerprint,
            ["Engine"] = model.Engine.Arithmetic,
        };
        foreach (var (name, value) in others) values[name] = value;
        foreach (var (name, value) in OptionValues.Of(options, text => $"\"{text}\"")) values[name] = value;
        return values;
    }

    /// <summary>Refuses a folder of another run.</summary>
    /// <param name="folder">The folder, for the message.</param>
    /// <param name="there">Names and values in the folder.</param>
    /// <param name="here">Names and values of this run.</param>
    /// <exception cref="NlftException">They differ; the message names what does.</exception>
    public static void Require(string folder, IReadOnlyDictionary<string, string> there, IReadOnlyDictionary<string, string> here)
    {
        var different = there.Keys.Union(here.Keys).Where(name => there.GetValueOrDefault(name) != here.GetValueOrDefault(name))
            .Order(StringComparer.Ordinal).ToList();
        if (different.Count == 0) return;
        throw new NlftException($"option Folder, {folder}", "another run (" + string.Join("; ", different.Select(name =>
            $"{name} {there.GetValueOrDefault(name, "none")} there, {here.GetValueOrDefault(name, "none")} here")) + ")",
            "the same model, questions, judge, objective and options", "Give what it was begun with, or name another folder.");
    }
}
