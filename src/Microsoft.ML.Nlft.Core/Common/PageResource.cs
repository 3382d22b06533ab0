namespace Microsoft.ML.Nlft.Common;

/// <summary>The files of web pages that are compiled into this assembly.</summary>
internal static class PageResource
{
    /// <summary>The text of the file <paramref name="name"/> in the Page folder of a room.</summary>
    public static string Read(string room, string name)
    {
        using var stream = typeof(PageResource).Assembly.GetManifestResourceStream($"Microsoft.ML.Nlft.{room}.Page.{name}")!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
