using System.Globalization;
using System.IO.Compression;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Saliency;

/// <summary>
/// Encodes the data of a page: a JSON header, then the numbers of all tokens by column, compressed. payload.js reads it.
/// </summary>
/// <remarks>
/// Little-endian; every column is aligned to 8 bytes. The length of the JSON (int32) and the JSON are followed by the index of each token's text in
/// the JSON's list of texts (uint32, T values); b, j and s as natural logarithms (F x T values each, by moment; float32 where that is exact, else
/// float64; j is 0 in rows with a correct response, s in supervised ones); for each of b, j and s the K likeliest other tokens, where they were read
/// (indices of texts as uint32, then probabilities as float32, F x T x K values each; zeros where the context was not scored); and, unless the map is
/// one of supervised fine-tuning, the cluster walks (bytes by moment and row, dissimilar before similar; see <see cref="ClusterReach.Walks"/>).
/// </remarks>
internal static class SaliencyPayload
{
    private const int Alignment = 8;

    private static readonly JsonSerializerOptions s_json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Returns the payload, compressed with gzip.</summary>
    public static byte[] Of(SaliencyMap map)
    {
        string[] texts = [.. map.Rows.SelectMany(row => row.Texts).Concat(map.LikelyTexts.Values).Distinct()];
        var idOf = texts.Select((text, id) => (text, id)).ToDictionary(pair => pair.text, pair => (uint)pair.id);
        var ids = map.Rows.SelectMany(row => row.Texts).Select(text => idOf[text]).ToArray();
        var single = Seen(map).All(seen => IsSingle(seen.Base) && IsSingle(seen.Judge) && IsSingle(seen.Standard));
        var likely = Seen(map).All(seen => seen.Likely is not null) ? Seen(map).First().Likely!.Values.First().PerPosition : 0;
        var header = Encoding.UTF8.GetBytes(new JsonObject
        {
            ["model"] = map.Model,
            ["options"] = OptionValues(map.Options),
            ["defaults"] = OptionValues(new NaturalLanguageObjectiveOptions()),
            ["thresholds"] = new JsonArray([.. (map.Rows[0].Epochs[0].Reach?.Thresholds ?? []).Select(value => (JsonNode)value)]),
            ["supervised"] = map.IsSupervised,
            ["epochs"] = new JsonArray([.. map.Epochs.Select(epoch => (JsonNode)epoch)]),
            ["date"] = map.Date?.ToString("O", CultureInfo.InvariantCulture),
            ["likely"] = likely,
            ["single"] = single,
            ["texts"] = new JsonArray([.. texts.Select(text => (JsonNode)text)]),
            ["rows"] = new JsonArray([.. map.Rows.Select(row => new JsonObject
            {
                ["source"] = row.Example.Source,
                ["correct"] = row.Example.Polarity == Polarity.Correct,
                ["tokens"] = row.Texts.Count,
                ["question"] = row.Example.Question,
                ["judgment"] = row.Example.Judgment ?? "",
                ["answer"] = row.Example.Answer,
                ["instruction"] = row.Example.Instruction ?? "",
                ["carries"] = map.IsSupervised ? string.Concat(row.Epochs[0].Saliency.Select(token => token.Coefficient > 0 ? '1' : '0')) : "",
            })]),
        }.ToJsonString(s_json));

        var buffer = new MemoryStream();
        using (var writer = new BinaryWriter(new GZipStream(buffer, CompressionLevel.Optimal)))
        {
            var position = 0L;
            void Align()
            {
                for (; position % Alignment != 0; position++) writer.Write((byte)0);
            }
            void Numbers(Func<ExampleSaliency, IEnumerable<double>> values, bool asSingle)
            {
                Align();
                foreach (var value in Seen(map).SelectMany(values))
                {
                    if (asSingle) writer.Write((float)value);
                    else writer.Write(value);
                    position += asSingle ? sizeof(float) : sizeof(double);
                }
            }
            void Indices(IEnumerable<uint> values)
            {
                Align();
                foreach (var value in values)
                {
                    writer.Write(value);
                    position += sizeof(uint);
                }
            }

            writer.Write(header.Length);
            writer.Write(header);
            position = sizeof(int) + header.Length;
            Indices(ids);
            Numbers(seen => seen.Base, single);
            Numbers(seen => seen.Judge.Length == 0 ? new double[seen.Base.Length] : seen.Judge, single);
            Numbers(seen => seen.Standard.Length == 0 ? new double[seen.Base.Length] : seen.Standard, single);
            foreach (var context in likely == 0 ? [] : ExampleCheck.AllContexts)
            {
                LikelyTokens? In(ExampleSaliency seen) => seen.Likely!.GetValueOrDefault(context);
                Indices(Seen(map).SelectMany(seen => In(seen)?.Ids.Select(id => idOf[map.LikelyTexts[id]]) ?? new uint[likely * seen.Base.Length]));
                Numbers(seen => In(seen)?.Probabilities.Select(p => (double)p) ?? new double[likely * seen.Base.Length], asSingle: true);
            }
            foreach (var reach in map.IsSupervised ? [] : Seen(map).Select(seen => seen.Reach!))
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
    private static JsonObject OptionValues(NaturalLanguageObjectiveOptions options) =>
        new(typeof(NaturalLanguageObjectiveOptions).GetProperties().Select(property => KeyValuePair.Create(property.Name,
            property.GetValue(options) switch
            {
                bool flag => (JsonNode)flag,
                int number => number,
                double number => number,
                var name => name!.ToString(),
            })));
}
