namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>The files of the folder <c>seeds</c>, which the program carries.</summary>
internal static class SeedFiles
{
    /// <summary>Returns the files of one of its folders by name, in the order of their names.</summary>
    public static IReadOnlyList<(string Name, byte[] Bytes)> In(string folder)
    {
        var assembly = typeof(SeedFiles).Assembly;
        var prefix = $"seeds/{folder}/";
        return [.. assembly.GetManifestResourceNames().Select(resource => (Resource: resource, Path: resource.Replace('\\', '/')))
            .Where(file => file.Path.StartsWith(prefix, StringComparison.Ordinal)).OrderBy(file => file.Path, StringComparer.Ordinal)
            .Select(file =>
            {
                using var stream = assembly.GetManifestResourceStream(file.Resource)!;
                var bytes = new byte[stream.Length];
                stream.ReadExactly(bytes);
                return (file.Path[prefix.Length..], bytes);
            })];
    }

    /// <summary>Returns the contents of the files of one of its folders.</summary>
    public static IReadOnlyList<byte[]> Of(string folder) => [.. In(folder).Select(file => file.Bytes)];
}
