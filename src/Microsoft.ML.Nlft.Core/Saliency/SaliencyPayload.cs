using System.IO.Compression;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Saliency;

/// <summary>
/// Encodes the data of a page: a JSON header, then the numbers of all tokens by column, compressed. payload.js reads it.
/// </summary>
/// <remarks>
/// Little-endian; every column is aligned to 8 bytes. The length of the JSON (int32) and the JSON are followed by the index of each token's text in
/// the JSON's list of texts (uint32, T values); b, j and s as natural logarithms (F x T values each, by moment; float32 where that is exact, else
/// float64; j is 0 in rows with a correct response); and the cluster walks (bytes by moment and row, dissimilar before similar; see
/// <see cref="ClusterReach.Walks"/>).
/// </remarks>
internal static class SaliencyPayload
{
    private const int Alignment = 8;

    private static readonly JsonSerializerOptions s_json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Returns the payload, compressed with gzip.</summary>
    public static byte[] Of(SaliencyMap map)
    {
        string[] texts = [.. map.Rows.SelectMany(row => row.Texts).Distinct()];
        var idOf = texts.Select((text, id) => (text, id)).ToDictionary(pair => pair.text, pair => (uint)pair.id);
        var ids = map.Rows.SelectMany(row => row.Texts).Select(text => idOf[text]).ToArray();
        var single = Seen(map).All(seen => IsSingle(seen.Base) && IsSingle(seen.Judge) && IsSingle(seen.Standard));
        var header = JsonSerializer.SerializeToUtf8Bytes(new
        {
            model = map.Model,
            options = OptionValues(map.Options),
            defaults = OptionValues(new NaturalLanguageObjectiveOptions()),
            thresholds = map.Rows[0].Epochs[0].Reach!.Thresholds,
            epochs = map.Epochs,
            single,
            texts,
            rows = map.Rows.Select(row => new
            {
                source = row.Example.Source,
                correct = row.Example.Polarity == Polarity.Correct,
                tokens = row.Texts.Count,
                question = row.Example.Question,
                judgment = row.Example.Judgment ?? "",
                answer = row.Example.Answer,
                instruction = row.Example.Instruction ?? "",
            }),
        }, s_json);

        var buffer = new MemoryStream();
        using (var writer = new BinaryWriter(new GZipStream(buffer, CompressionLevel.Optimal)))
        {
            var position = 0L;
            void Align()
            {
                for (; position % Alignment != 0; position++) writer.Write((byte)0);
            }
            void Column(Func<ExampleSaliency, IEnumerable<double>> values)
            {
                Align();
                foreach (var value in Seen(map).SelectMany(values))
                {
                    if (single) writer.Write((float)value);
                    else writer.Write(value);
                    position += single ? sizeof(float) : sizeof(double);
                }
            }

            writer.Write(header.Length);
            writer.Write(header);
            position = sizeof(int) + header.Length;
            Align();
            foreach (var id in ids) writer.Write(id);
            position += sizeof(uint) * (long)ids.Length;
            Column(seen => seen.Base);
            Column(seen => seen.Judge.Length == 0 ? new double[seen.Base.Length] : seen.Judge);
            Column(seen => seen.Standard);
            foreach (var reach in Seen(map).Select(seen => seen.Reach!))
            {
                writer.Write(reach.Walks(ClusterRule.Dissimilar));
                writer.Write(reach.Walks(ClusterRule.Similar));
            }
        }
        return buffer.ToArray();
    }

    /// <summary>Lists the analyses by moment and row.</summary>
    private static IEnumerable<ExampleSaliency> Seen(SaliencyMap map) =>
        Enumerable.Range(0, map.Epochs.Count).SelectMany(moment => map.Rows.Select(row => row.Epochs[moment]));

    private static bool IsSingle(double[] values) => Array.TrueForAll(values, value => (float)value == value);

    /// <summary>Returns the options by their C# names, enums by name.</summary>
    private static Dictionary<string, object> OptionValues(NaturalLanguageObjectiveOptions options) =>
        typeof(NaturalLanguageObjectiveOptions).GetProperties().ToDictionary(property => property.Name, property => property.GetValue(options) switch
        {
            Enum name => name.ToString(),
            var value => value!,
        });
}
