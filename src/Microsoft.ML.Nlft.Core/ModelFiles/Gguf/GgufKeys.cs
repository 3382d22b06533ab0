namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// Reads the keys of a file's architecture, <c>llama.block_count</c> and so on, and remembers which ones were read: a key that nobody asks for may
/// change what the model computes.
/// </summary>
internal sealed class GgufKeys(GgufModel model, string architecture)
{
    private readonly HashSet<string> _read = new(StringComparer.Ordinal);

    /// <summary>The model.</summary>
    public GgufModel Model => model;

    /// <summary>Returns an integer; a list of them, one per layer, must have one value.</summary>
    public int? Integer(string key)
    {
        var full = Full(key);
        if (!model.Metadata.IsList(full)) return model.Metadata.Integer(full);
        var perLayer = model.Metadata.Integers(full)!;
        return perLayer.Length > 0 && perLayer.AsSpan().IndexOfAnyExcept(perLayer[0]) < 0 && perLayer[0] >= 0 ? perLayer[0]
            : throw Refuse(key, "one value for all layers", "Use a model whose layers are alike.");
    }

    public int Required(string key) => Integer(key) ?? throw Refuse(key, "an integer above 0");

    public double? Number(string key) => model.Metadata.Number(Full(key));

    public bool? Flag(string key) => model.Metadata.Flag(Full(key));

    public string? Text(string key) => model.Metadata.Text(Full(key));

    /// <summary>Checks a key that must be missing or have a value.</summary>
    public void Require<T>(string key, T? found, T expected, string remedy) where T : struct
    {
        if (found is { } value && !value.Equals(expected)) throw Refuse(key, $"{expected}", remedy);
    }

    /// <summary>Accepts keys that do not change what the model computes.</summary>
    public void Ignore(params ReadOnlySpan<string> keys)
    {
        foreach (var key in keys) Full(key);
    }

    public NlftException Refuse(string key, string expected, string? remedy = null) => model.Metadata.Refuse(Full(key), expected, remedy);

    /// <summary>Refuses the first key of the architecture that was not read.</summary>
    public void RequireAllRead()
    {
        var unread = model.Metadata.Keys.Where(key => key.StartsWith(architecture + ".", StringComparison.Ordinal)).Except(_read)
            .Order(StringComparer.Ordinal).FirstOrDefault();
        if (unread is not null)
        {
            throw model.Metadata.Refuse(unread, "only keys whose effect is known",
                $"This kind of {architecture} model is not supported: use another one.");
        }
    }

    private string Full(string key)
    {
        var full = $"{architecture}.{key}";
        _read.Add(full);
        return full;
    }
}
