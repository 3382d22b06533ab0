namespace Microsoft.ML.Nlft;

/// <summary>
/// Reports bad input: a file, a row, an option or a model that cannot be used. The message names the subject, what was found, what was expected and
/// what to do, in that order.
/// </summary>
public sealed class NlftException : Exception
{
    /// <summary>Creates the exception and its message "<c>subject: found X; expected Y. Remedy.</c>".</summary>
    /// <param name="subject">
    /// The subject at fault with its place, for example <c>rows.jsonl, line 3, "response"</c> or <c>option LearningRate</c>.
    /// </param>
    /// <param name="found">The value or condition that was found.</param>
    /// <param name="expected">What would have been accepted.</param>
    /// <param name="remedy">One sentence that says what to do.</param>
    /// <param name="innerException">The cause, when another exception revealed the fault.</param>
    public NlftException(string subject, string found, string expected, string remedy, Exception? innerException = null)
        : base($"{subject}: found {found}; expected {expected}. {remedy}", innerException) =>
        (Subject, Found, Expected, Remedy) = (subject, found, expected, remedy);

    /// <summary>The subject at fault with its place.</summary>
    public string Subject { get; }

    /// <summary>The value or condition that was found.</summary>
    public string Found { get; }

    /// <summary>What would have been accepted.</summary>
    public string Expected { get; }

    /// <summary>Whether the fault is a number that is not finite, which <see cref="Training.FineTuneOptions.SkipNonFiniteSteps"/> skips.</summary>
    internal bool NotFinite { get; init; }

    /// <summary>What to do.</summary>
    public string Remedy { get; }

    /// <summary>Creates a copy to throw when the failure is reported again, with this exception as its cause.</summary>
    internal NlftException Wrap() => new(Subject, Found, Expected, Remedy, this);
}
