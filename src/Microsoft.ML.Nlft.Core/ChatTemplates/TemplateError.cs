namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>
/// A fault in a template before its place is turned into line and column: <see cref="Template"/> makes an <see cref="NlftException"/> of it.
/// </summary>
/// <param name="found">What was found.</param>
/// <param name="expected">What would have been accepted.</param>
/// <param name="position">Offset in the source; null: where the interpreter stands.</param>
internal sealed class TemplateError(string found, string expected, int? position = null) : Exception($"found {found}; expected {expected}")
{
    public string Found { get; } = found;

    public string Expected { get; } = expected;

    public int? Position { get; } = position;

    /// <summary>What to do.</summary>
    public string Remedy { get; init; } = "Correct the template, or use a model folder whose template keeps to the supported subset of Jinja.";
}

/// <summary>The template itself refused its input with raise_exception.</summary>
internal sealed class TemplateRaised(string message) : Exception(message);
