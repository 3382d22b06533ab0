namespace Microsoft.ML.Nlft.ChatTemplates;

/// <summary>
/// An error in a template, located by an offset. <see cref="Template"/> converts it to an <see cref="NlftException"/> with line and column.
/// </summary>
/// <param name="found">What was found.</param>
/// <param name="expected">What would have been accepted.</param>
/// <param name="position">Offset in the source; null for the interpreter's current position.</param>
internal sealed class TemplateError(string found, string expected, int? position = null) : Exception($"found {found}; expected {expected}")
{
    public string Found { get; } = found;

    public string Expected { get; } = expected;

    public int? Position { get; } = position;

    /// <summary>Gets what the user can do.</summary>
    public string Remedy { get; init; } = "Correct the template, or use a model folder whose template keeps to the supported subset of Jinja.";
}

/// <summary>Thrown when the template calls raise_exception.</summary>
internal sealed class TemplateRaised(string message) : Exception(message);
