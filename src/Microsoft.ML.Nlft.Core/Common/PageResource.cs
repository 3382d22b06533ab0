namespace Microsoft.ML.Nlft.Common;

/// <summary>Reads the files of web pages that are embedded in this assembly.</summary>
internal static class PageResource
{
    /// <summary>Returns the text of the file <paramref name="name"/> in the Page folder of an area.</summary>
    public static string Read(string area, string name)
    {
        using var stream = typeof(PageResource).Assembly.GetManifestResourceStream($"Microsoft.ML.Nlft.{area}.Page.{name}")!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    /// <summary>
    /// Returns the page <paramref name="name"/>.html of an area with its styles and scripts in it, after those that all pages share: no file that it
    /// needs is outside.
    /// </summary>
    /// <param name="area">The area.</param>
    /// <param name="name">The name of the page and of its style sheet.</param>
    /// <param name="scripts">The scripts, in order.</param>
    public static string Page(string area, string name, params ReadOnlySpan<string> scripts)
    {
        var script = Read("Common", "frame.js");
        foreach (var file in scripts) script += Read(area, file);
        return Read(area, $"{name}.html")
            .Replace("{{style}}", Read("Common", "frame.css") + Read(area, $"{name}.css"), StringComparison.Ordinal)
            .Replace("{{script}}", script, StringComparison.Ordinal)
            .Replace("{{version}}", LibraryVersion.Short, StringComparison.Ordinal);
    }
}
