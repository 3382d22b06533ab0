using System.Text.RegularExpressions;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// Resolves names of models to folders and GGUF files: a path, a hub name such as <c>HuggingFaceTB/SmolLM2-135M-Instruct</c> (for a GGUF file
/// followed by its own name), or the name of a folder or file. Names are looked up in further roots, in the folders of the environment variable
/// <c>NLFT_MODELS</c> and in the Hugging Face cache, in that order.
/// </summary>
public sealed partial class ModelLocator
{
    /// <summary>The environment variable with folders to search, separated as in PATH.</summary>
    public const string Variable = "NLFT_MODELS";

    /// <summary>Creates a locator.</summary>
    /// <param name="roots">Folders to search before those of the environment; null: none. "~" stands for the user's folder.</param>
    /// <param name="environment">
    /// Reads a variable: NLFT_MODELS; HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME and XDG_CACHE_HOME, which say where the Hugging Face cache is,
    /// as for huggingface_hub; HOME or USERPROFILE, without which the cache has no default place. Null: those of this process.
    /// </param>
    public ModelLocator(IReadOnlyList<string>? roots = null, Func<string, string?>? environment = null)
    {
        environment ??= Environment.GetEnvironmentVariable;
        string? Value(string name) => environment(name) is { Length: > 0 } value ? value : null;
        var home = Value("HOME") ?? Value("USERPROFILE");
        string Expand(string path) =>
            home is not null && (path == "~" || path.StartsWith("~/", StringComparison.Ordinal)) ? home + path[1..] : path;
        var listed = Value(Variable)?.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [];
        Roots = [.. (roots ?? []).Concat(listed).Select(root => Path.GetFullPath(Expand(root))).Distinct()];
        var cache = Value("XDG_CACHE_HOME") ?? (home is null ? null : Path.Combine(home, ".cache"));
        var hub = Value("HF_HOME") ?? (cache is null ? null : Path.Combine(cache, "huggingface"));
        var place = Value("HF_HUB_CACHE") ?? Value("HUGGINGFACE_HUB_CACHE") ?? (hub is null ? null : Path.Combine(hub, "hub"));
        HubCache = place is null ? null : Path.GetFullPath(Expand(place));
    }

    /// <summary>The folders that are searched before the Hugging Face cache, as full paths in order.</summary>
    public IReadOnlyList<string> Roots { get; }

    /// <summary>The Hugging Face cache; null when no variable says where it is.</summary>
    public string? HubCache { get; }

    /// <summary>
    /// Returns the folder or GGUF file that a path or a name stands for. An existing one takes precedence over a model of that name.
    /// </summary>
    /// <param name="model">A path, <c>organisation/name</c>, or the name of a folder or GGUF file in one of the roots.</param>
    /// <param name="workingFolder">The folder that paths are relative to; null: that of the process.</param>
    /// <exception cref="NlftException">There is no such model: the message lists the places that were tried.</exception>
    public string Find(string model, string? workingFolder = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(model);
        var path = Path.Combine(workingFolder ?? "", model);
        if (IsPath(path)) return path;
        var places = Places(model);
        if (places.FirstOrDefault(IsModel) is { } found) return found;
        throw new NlftException(path, "no such folder" + (places.Count == 0 ? "" : $", nor a model in {string.Join(", ", places)}"),
            "a folder with config.json, model.safetensors and tokenizer.json", "Check the path, or download the model there.");
    }

    /// <summary>Returns the paths at which a model of that name may lie, in order; none for a text that cannot be a name.</summary>
    public IReadOnlyList<string> Places(string name)
    {
        if (!ModelName().IsMatch(name)) return [];
        var parts = name.Split('/');
        IEnumerable<string> Under(string root) =>
            [Path.Combine(root, name.Replace('/', Path.DirectorySeparatorChar)), Path.Combine(root, parts[^1]), Cached(root)];
        return [.. Roots.SelectMany(Under).Concat(HubCache is null ? [] : [Cached(HubCache)]).Distinct()];

        string Cached(string root) => parts.Length < 3 ? Snapshot(root, name) : Path.Combine(Snapshot(root, $"{parts[0]}/{parts[1]}"), parts[2]);
    }

    /// <summary>Lists the models in the roots (up to two folders deep) and in the Hugging Face cache.</summary>
    /// <returns>Name and path of each model, a folder or a GGUF file, in the order of the search.</returns>
    public IEnumerable<(string Name, string Folder)> All()
    {
        var roots = HubCache is null ? Roots : Roots.Append(HubCache);
        return roots.SelectMany(root => Below(root).Prepend(root).Concat(Below(root).Where(folder => !IsFolder(folder)).SelectMany(Inner)))
            .SelectMany(folder => IsFolder(folder) ? GgufFiles(folder).Prepend(folder) : GgufFiles(folder)).Distinct()
            .Select(model => (ListedName(model), model));

        static IEnumerable<string> Inner(string folder) => CachedName(folder) is { } name
            ? [Snapshot(Path.GetDirectoryName(folder)!, name)] : Below(folder);
    }

    /// <summary>
    /// Returns the name of the model in a folder or GGUF file: the hub name for a snapshot in a Hugging Face cache
    /// (models--organisation--name/snapshots/REV), followed by the name of the file in it, else its own name, without the folders above it.
    /// </summary>
    public static string NameOf(string folder)
    {
        var path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        var above = Path.GetDirectoryName(path);
        if (Path.GetFileName(above) == "snapshots" && CachedName(Path.GetDirectoryName(above)!) is { } name) return name;
        return above is not null && GgufFile.HasName(path) && NameOf(above) is var repository && repository.Contains('/')
            ? $"{repository}/{Path.GetFileName(path)}" : Path.GetFileName(path);
    }

    /// <summary>Whether there is a folder or a GGUF file at a path.</summary>
    public static bool IsPath(string path) => Directory.Exists(path) || GgufFile.IsAt(path);

    /// <summary>Whether there is a model at a path: a folder with config.json, or a GGUF file.</summary>
    public static bool IsModel(string path) => IsFolder(path) || GgufFile.IsAt(path);

    private const int LongestName = 4096;

    private static bool IsFolder(string path) => File.Exists(Path.Combine(path, "config.json"));

    /// <summary>Returns the GGUF files of a folder that are models: of a split one, the first part.</summary>
    private static IEnumerable<string> GgufFiles(string folder) => !Directory.Exists(folder) ? []
        : Directory.EnumerateFiles(folder).Where(file => GgufFile.HasName(file) && !GgufModel.IsFurtherPart(file)).Order(StringComparer.Ordinal);

    /// <summary>Returns the name by which <see cref="Places"/> finds a model again: of a GGUF file, its path from a root.</summary>
    private string ListedName(string model)
    {
        var name = NameOf(model);
        if (!GgufFile.HasName(model) || name.Contains('/')) return name;
        var relative = Roots.Select(root => Path.GetRelativePath(root, model)).FirstOrDefault(path => !Path.IsPathRooted(path) && path[0] != '.');
        return relative?.Replace(Path.DirectorySeparatorChar, '/') ?? name;
    }

    private static IEnumerable<string> Below(string root) =>
        Directory.Exists(root) ? Directory.EnumerateDirectories(root).Order(StringComparer.Ordinal) : [];

    /// <summary>Returns the hub name that a folder of the cache holds; null for any other folder.</summary>
    private static string? CachedName(string folder) => Path.GetFileName(folder) is var own && own.StartsWith("models--", StringComparison.Ordinal)
        ? own["models--".Length..].Replace("--", "/") : null;

    /// <summary>Returns the snapshot that refs/main names; without that file the newest one.</summary>
    private static string Snapshot(string cache, string name)
    {
        var repository = Path.Combine(cache, "models--" + name.Replace("/", "--"));
        var (main, snapshots) = (Path.Combine(repository, "refs", "main"), Path.Combine(repository, "snapshots"));
        if (File.Exists(main)) return Path.Combine(snapshots, InputFile.ReadText(main, "the name of a snapshot", LongestName).Trim());
        var newest = Below(snapshots).Where(folder => IsFolder(folder) || GgufFiles(folder).Any()).OrderByDescending(Directory.GetLastWriteTimeUtc)
            .FirstOrDefault();
        return newest ?? repository;
    }

    [GeneratedRegex(@"\A(?!\.)[\w.-]+(/(?!\.)[\w.-]+)?(/(?!\.)[\w.-]+\.gguf)?\z")]
    private static partial Regex ModelName();
}
