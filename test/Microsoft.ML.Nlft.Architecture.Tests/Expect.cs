namespace Microsoft.ML.Nlft.Architecture;

/// <summary>Fails with the whole list of what should not be there.</summary>
internal static class Expect
{
    public static void Nothing(IEnumerable<string> offenders, string explanation)
    {
        var list = offenders.Distinct().Order(StringComparer.Ordinal).ToArray();
        if (list.Length > 0) Assert.Fail($"{explanation}\n{string.Join("\n", list)}");
    }
}
