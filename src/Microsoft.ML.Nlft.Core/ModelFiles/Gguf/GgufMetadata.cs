using System.Globalization;
using System.Runtime.InteropServices;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>The types of a value in the metadata of a GGUF file, with the numbers of the format.</summary>
internal enum GgufValueType : uint
{
#pragma warning disable CS1591 // the names are those of the format
    UInt8, Int8, UInt16, Int16, UInt32, Int32, Float32, Bool, String, Array, UInt64, Int64, Float64,
#pragma warning restore CS1591
}

/// <summary>An array of numbers or flags as the file has it.</summary>
internal sealed record GgufNumbers(GgufValueType Type, byte[] Bytes);

/// <summary>
/// The metadata of a GGUF file by key. Numbers are kept as the file has them: integers as decimal, a float32 as float; an array of texts as strings,
/// another one as <see cref="GgufNumbers"/>.
/// </summary>
internal sealed class GgufMetadata(string file)
{
    /// <summary>What helps where a file is not as llama.cpp writes it.</summary>
    public const string Remedy = "Use a file that llama.cpp's converter wrote.";

    private readonly Dictionary<string, object> _values = new(StringComparer.Ordinal);

    /// <summary>The file, for messages.</summary>
    public string File => file;

    /// <summary>All keys.</summary>
    public IReadOnlyCollection<string> Keys => _values.Keys;

    /// <summary>Adds a value; returns false if the key is taken.</summary>
    public bool TryAdd(string key, object value) => _values.TryAdd(key, value);

    public bool Contains(string key) => _values.ContainsKey(key);

    public string? Text(string key) => Value<string>(key, "a text");

    public bool? Flag(string key) => (bool?)Value<object>(key, "true or false", value => value is bool);

    /// <summary>Returns an integer within limits, or null without such a key.</summary>
    public int? Integer(string key, int minimum = 0, int maximum = int.MaxValue) =>
        Value<object>(key, $"an integer from {minimum} to {maximum}",
            value => value is decimal number && number >= minimum && number <= maximum) is { } found
            ? (int)(decimal)found : null;

    /// <summary>Returns a finite number; that of a float32 is the shortest decimal one that it stands for (1E-05, not 9.99999975E-06).</summary>
    public double? Number(string key) => Value<object>(key, "a finite number", IsFinite) switch
    {
        null => null,
        float value => double.Parse(value.ToString("R", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture),
        double value => value,
        var value => (double)(decimal)value,
    };

    public string[]? Texts(string key) => Value<string[]>(key, "a list of texts");

    public float[]? Floats(string key) =>
        Value<object>(key, "a list of float32 numbers", value => value is GgufNumbers { Type: GgufValueType.Float32 })
        is GgufNumbers numbers ? MemoryMarshal.Cast<byte, float>(numbers.Bytes).ToArray() : null;

    public int[]? Integers(string key) =>
        Value<object>(key, "a list of 32-bit integers", value => value is GgufNumbers { Type: GgufValueType.Int32 or GgufValueType.UInt32 })
        is GgufNumbers numbers ? MemoryMarshal.Cast<byte, int>(numbers.Bytes).ToArray() : null;

    /// <summary>Whether a key holds a list.</summary>
    public bool IsList(string key) => _values.GetValueOrDefault(key) is string[] or GgufNumbers;

    /// <summary>Creates the exception for a key whose value cannot be used.</summary>
    public NlftException Refuse(string key, string expected, string? remedy = null) =>
        new($"{file}, \"{key}\"", _values.TryGetValue(key, out var value) ? Describe(value) : "no such key", expected, remedy ?? Remedy);

    private static bool IsFinite(object value) => value switch
    {
        float number => float.IsFinite(number),
        double number => double.IsFinite(number),
        _ => value is decimal,
    };

    private T? Value<T>(string key, string expected, Func<object, bool>? holds = null) where T : class => !_values.TryGetValue(key, out var value)
        ? null
        : value is T found && holds?.Invoke(value) != false ? found : throw Refuse(key, expected);

    private static string Describe(object value) => value switch
    {
        string { Length: <= 60 } text => $"\"{text}\"",
        string text => $"a text of {text.Length} characters",
        bool flag => flag ? "true" : "false",
        string[] texts => $"a list of {texts.Length} texts",
        GgufNumbers numbers => $"a list of {numbers.Type} values",
        _ => string.Create(CultureInfo.InvariantCulture, $"{value}"),
    };
}
