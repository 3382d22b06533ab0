namespace Microsoft.ML.Nlft.Common;

/// <summary>Names a source of JSON and gives the wording of messages about it.</summary>
/// <param name="File">The file, or the row of a file, as messages name it.</param>
/// <param name="WhatItIs">What the file should be, for example <c>config.json of a model</c>.</param>
internal sealed record JsonSource(string File, string WhatItIs = "")
{
    /// <summary>What the whole file should be.</summary>
    public string Expected => WhatItIs.Length == 0 ? "one JSON object" : $"{WhatItIs}: one JSON object";

    /// <summary>The remedy for a file that is not a JSON object.</summary>
    public string FileRemedy { get; init; } = "Correct the file, or download it again.";

    /// <summary>The remedy for a wrong value.</summary>
    public string ValueRemedy { get; init; } = "Correct the value, or take the file that belongs to the model.";

    /// <summary>The remedy for bytes that are not UTF-8.</summary>
    public string TextRemedy { get; init; } = JsonFile.SaveAsUtf8;

    /// <summary>Whether people write the file by hand: comments and trailing commas are accepted. Default false.</summary>
    public bool IsHandwritten { get; init; }

    /// <summary>Returns the subject of a message about the value at a path.</summary>
    /// <param name="path">The path, for example <c>rope_scaling.type</c>; empty for the whole file.</param>
    public string Subject(string path) => path.Length == 0 ? File : KeySubject(path);

    /// <summary>Returns the subject of a message about a key, which may be empty.</summary>
    /// <param name="path">The path of the key.</param>
    public string KeySubject(string path) => $"{File}, \"{path}\"";
}
