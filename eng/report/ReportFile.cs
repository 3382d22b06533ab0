using System.Text;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Report;

/// <summary>What a study writes: whole or not at all.</summary>
internal static class ReportFile
{
    /// <summary>Writes a text; its folder is created.</summary>
    public static void Write(string path, string text) => AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(text)));
}
