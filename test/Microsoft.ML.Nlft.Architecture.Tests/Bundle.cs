using System.Text.Json;

namespace Microsoft.ML.Nlft.Architecture;

/// <summary>The packages that lie beside the tool, as the list says by which .NET finds their assemblies.</summary>
internal static class Bundle
{
    /// <summary>Names and versions, such as <c>TorchSharp 0.107.0</c>.</summary>
    public static IEnumerable<string> Packages => Libraries().Select(library => library.Name.Replace('/', ' '));

    /// <summary>Paths of the assemblies and native libraries, relative to the tool.</summary>
    public static IEnumerable<string> Files =>
        from library in Libraries()
        from file in Paths(library.Value, "runtime").Select(path => Path.GetFileName(path)).Concat(Paths(library.Value, "runtimeTargets"))
        select file;

    private static List<JsonProperty> Libraries()
    {
        var list = JsonElement.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Microsoft.ML.Nlft.Tool.deps.json")));
        return [.. from library in list.GetProperty("targets").EnumerateObject().Single().Value.EnumerateObject()
                   where list.GetProperty("libraries").GetProperty(library.Name).GetProperty("type").GetString() == "package"
                   where Paths(library.Value, "runtime").Concat(Paths(library.Value, "runtimeTargets")).Any()
                   select library];
    }

    private static IEnumerable<string> Paths(JsonElement library, string kind) =>
        library.TryGetProperty(kind, out var files) ? files.EnumerateObject().Select(file => file.Name) : [];
}
