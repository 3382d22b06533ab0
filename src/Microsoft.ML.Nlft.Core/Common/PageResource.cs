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
}
