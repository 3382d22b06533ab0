using System.Net;
using System.Text;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.Saliency;

/// <summary>Combines a map's data with the styles and scripts of Page/ into one HTML file without network requests.</summary>
internal static class SaliencyPage
{
    public static void Write(SaliencyMap map, Stream stream)
    {
        if (map.Rows.Count == 0) throw new NlftException("saliency map", "no rows", "one or more", "Give it rows to show.");
        const string remedy = "Make the map with CreateSaliencyMap, ExplainTraining or a recorded run of natural language fine-tuning.";
        foreach (var row in map.IsSupervised ? [] : map.Rows)
        {
            var place = $"saliency map, {row.Example.Source}";
            if (row.Epochs.Any(seen => seen.Reach is null))
                throw new NlftException(place, "no cluster walks", "a row that was analyzed for a map", remedy);
            if (row.Epochs.Any(seen => !seen.Reach!.Thresholds.SequenceEqual(map.Rows[0].Epochs[0].Reach!.Thresholds)
                || !seen.Reach.Thresholds.Contains(map.Options.ClusterThreshold)))
            {
                throw new NlftException(place, "cluster walks for other thresholds", "rows that were analyzed with the map's options", remedy);
            }
        }
        var page = PageResource.Page("Saliency", "page", "objective.js", "payload.js", "dom.js", "charts.js", "settings.js", "rows.js",
            "inspector.js", "epochs.js", "page.js")
            .Replace("{{title}}", WebUtility.HtmlEncode($"Saliency map: {map.Model}"), StringComparison.Ordinal);
        var parts = page.Split("{{payload}}");
        using var writer = new StreamWriter(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), 1 << 16, leaveOpen: true);
        writer.Write(parts[0]);
        writer.Write(Convert.ToBase64String(SaliencyPayload.Of(map)));
        writer.Write(parts[1]);
    }
}
