namespace Microsoft.ML.Nlft.Evaluation;

/// <summary>A number in a text, or something made of digits that is not one number: a time, a ratio, a date, a power.</summary>
/// <param name="Start">Where it begins, with its sign and currency.</param>
/// <param name="End">Where it ends.</param>
/// <param name="Value">The number; null when it is not one.</param>
/// <param name="IsSigned">Whether it has a sign.</param>
internal readonly record struct NumberToken(int Start, int End, AnswerNumber? Value, bool IsSigned);
