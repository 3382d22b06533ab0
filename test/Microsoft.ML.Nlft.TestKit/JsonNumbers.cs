using System.Text.Json;

namespace Microsoft.ML.Nlft.TestKit;

/// <summary>Reads numbers from the JSON of golden files.</summary>
public static class JsonNumbers
{
    public static double[] Doubles(this JsonElement array) => [.. array.EnumerateArray().Select(value => value.GetDouble())];

    public static double[] Doubles(this JsonElement parent, string name) => parent.GetProperty(name).Doubles();

    public static int[] Ints(this JsonElement array) => [.. array.EnumerateArray().Select(value => value.GetInt32())];
}
