using System.Text.Json;

namespace Microsoft.ML.Nlft.Tests.Objectives;

/// <summary>Reads the vectors of golden/objectives.</summary>
internal static class ObjectiveGoldens
{
    private const string Missing = "no golden/objectives/";

    /// <summary>The ids of the cases of a file that a test takes, as rows of data; one row that skips where the file is missing.</summary>
    public static IEnumerable<object[]> Cases(string file, Func<JsonElement, bool> takes)
    {
        var path = Fixtures.Path_("golden", "objectives", file);
        if (!File.Exists(path)) return [[Missing + file]];
        return [.. Read(path).GetProperty("cases").EnumerateArray().Where(takes).Select(c => (object[])[c.GetProperty("id").GetString()!])];
    }

    /// <summary>A case and its input; null where the file is missing, which skips the test.</summary>
    public static (JsonElement Case, JsonElement Input)? Find(string file, string id)
    {
        if (id == Missing + file) Assert.Inconclusive($"{id} under {Fixtures.Root}");
        var root = Read(Fixtures.Path_("golden", "objectives", file));
        var found = root.GetProperty("cases").EnumerateArray().First(c => c.GetProperty("id").GetString() == id);
        return (found, found.TryGetProperty("input", out var input) && input.ValueKind == JsonValueKind.String
            ? root.GetProperty("inputs").GetProperty(input.GetString()!) : default);
    }

    /// <summary>What the cases of a file share.</summary>
    public static JsonElement Inputs(string file) => Read(Fixtures.Path_("golden", "objectives", file)).GetProperty("inputs");

    /// <summary>A part of a file beside its cases; null where the file is missing, which skips the test.</summary>
    public static JsonElement? Part(string file, string name)
    {
        var path = Fixtures.Path_("golden", "objectives", file);
        if (!File.Exists(path)) Assert.Inconclusive($"{Missing}{file} under {Fixtures.Root}");
        return Read(path).GetProperty(name);
    }

    /// <summary>Whether the options of a case are all among those named.</summary>
    public static bool HasOnly(JsonElement options, params string[] names) =>
        options.EnumerateObject().All(option => names.Contains(option.Name));

    /// <summary>Whether the library that made a case gave an error or no number where the definition has one.</summary>
    public static bool IsForeign(JsonElement c) => c.TryGetProperty("loss", out var loss) && loss.ValueKind == JsonValueKind.String
        && loss.GetString() is { } text && (text == "nan" || text.StartsWith("error", StringComparison.Ordinal));

    public static double Number(JsonElement value) => value.ValueKind != JsonValueKind.String ? value.GetDouble() : value.GetString() switch
    {
        "inf" => double.PositiveInfinity,
        "-inf" => double.NegativeInfinity,
        _ => double.NaN,
    };

    /// <summary>All numbers of nested lists, in order.</summary>
    public static double[] Flat(JsonElement value) =>
        value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray().SelectMany(Flat)] : [Number(value)];

    public static int[][] Integers(this JsonElement value) =>
        [.. value.EnumerateArray().Select(row => row.EnumerateArray().Select(item => item.GetInt32()).ToArray())];

    /// <summary>Rows of numbers.</summary>
    public static double[][] Rows(JsonElement value) => [.. value.EnumerateArray().Select(Flat)];

    public static double[] LogSoftmax(double[] logits)
    {
        var largest = logits.Max();
        var sum = largest + Math.Log(logits.Sum(z => Math.Exp(z - largest)));
        return Array.ConvertAll(logits, z => z - sum);
    }

    /// <summary>Every number within the tolerance relative to max(1, |x|); infinities equal; what the file has no number for is left out.</summary>
    public static void AreClose(double[] expected, double[] found, double tolerance, string what)
    {
        Assert.AreEqual(expected.Length, found.Length, what);
        for (var i = 0; i < expected.Length; i++)
        {
            if (double.IsNaN(expected[i]) || expected[i] == found[i]) continue;
            Assert.AreEqual(expected[i], found[i], tolerance * Math.Max(1, Math.Abs(expected[i])), $"{what}[{i}]");
        }
    }

    private static JsonElement Read(string path) => JsonSerializer.Deserialize<JsonElement>(File.ReadAllBytes(path));
}
