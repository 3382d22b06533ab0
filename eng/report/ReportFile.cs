using System.Text;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Report;

/// <summary>Writes report files atomically.</summary>
internal static class ReportFile
{
    /// <summary>Writes a text; creates its folder.</summary>
    public static void Write(string path, string text) => AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(text)));
}
