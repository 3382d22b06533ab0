using System.Text.RegularExpressions;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// A model in one GGUF file, or in the parts that llama.cpp splits it into: <c>NAME-00001-of-00003.gguf</c> and so on. The first part has the
/// metadata.
/// </summary>
internal sealed partial class GgufModel : IDisposable
{
    private const string CountKey = "split.count", NumberKey = "split.no", TensorsKey = "split.tensors.count";

    private readonly List<GgufFile> _parts = [];
    private readonly Dictionary<string, (GgufFile File, GgufEntry Entry)> _tensors = new(StringComparer.Ordinal);

    private GgufModel(string path) => Path = path;

    /// <summary>Opens a file and its further parts.</summary>
    /// <param name="path">The file; the first part of a split model.</param>
    /// <exception cref="NlftException">A file is missing, breaks a rule, or is not the part that its name says.</exception>
    public static GgufModel Open(string path)
    {
        var model = new GgufModel(path);
        try
        {
            model.Add(path);
            model.AddOtherParts();
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Whether a path is named as a part of a split model other than the first.</summary>
    public static bool IsFurtherPart(string path) =>
        PartName().Match(System.IO.Path.GetFileName(path)) is { Success: true } name && name.Groups["number"].Value != "00001";

    /// <summary>The path of the file, or of the first part.</summary>
    public string Path { get; }

    /// <summary>The files in order.</summary>
    public IReadOnlyList<GgufFile> Parts => _parts;

    /// <summary>The metadata of the model.</summary>
    public GgufMetadata Metadata => _parts[0].Metadata;

    /// <summary>The tensors of all parts by name.</summary>
    public IReadOnlyDictionary<string, (GgufFile File, GgufEntry Entry)> Tensors => _tensors;

    /// <inheritdoc/>
    public void Dispose() => _parts.ForEach(part => part.Dispose());

    private GgufFile Add(string path)
    {
        var part = GgufFile.Open(path);
        _parts.Add(part);
        foreach (var entry in part.Tensors)
        {
            if (!_tensors.TryAdd(entry.Name, (part, entry)))
            {
                throw new NlftException($"{path}, tensor \"{entry.Name}\"", "a tensor that another part has too", "each tensor once",
                    "Download all parts of the model again.");
            }
        }
        return part;
    }

    private void AddOtherParts()
    {
        var count = Metadata.Integer(CountKey, 0, ushort.MaxValue) ?? 0;
        if (count < 2) return;
        var name = PartName().Match(System.IO.Path.GetFileName(Path));
        if (!name.Success || int.Parse(name.Groups["count"].ValueSpan) != count)
        {
            throw new NlftException(Path, $"a model in {count} parts", $"names that end in -00001-of-{count:00000}{GgufFile.Extension}",
                "Give the parts the names that they were published with.");
        }
        RequireNumber(_parts[0], 0);
        for (var number = 1; number < count; number++)
        {
            var path = System.IO.Path.Combine(System.IO.Path.GetDirectoryName(Path) ?? "",
                $"{name.Groups["name"]}-{number + 1:00000}-of-{count:00000}{GgufFile.Extension}");
            if (FilePresence.Fault(path) is { } fault)
            {
                throw new NlftException(path, fault, $"part {number + 1} of {count} of the model",
                    "Download all parts of the model into one folder.");
            }
            RequireNumber(Add(path), number);
        }
        if (Metadata.Integer(TensorsKey) is { } total && total != _tensors.Count)
            throw Metadata.Refuse(TensorsKey, $"{_tensors.Count}, the tensors of all parts", "Download all parts of the model again.");
    }

    private static void RequireNumber(GgufFile part, int number)
    {
        if (part.Metadata.Integer(NumberKey) != number)
        {
            throw part.Metadata.Refuse(NumberKey, $"{number}, as the first part has number 0", number == 0
                ? "Name the first part of the model." : "Give the parts the names that they were published with.");
        }
    }

    [GeneratedRegex(@"\A(?<name>.*)-(?<number>\d{5})-of-(?<count>\d{5})\.gguf\z", RegexOptions.IgnoreCase)]
    private static partial Regex PartName();
}
