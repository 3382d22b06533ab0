namespace Microsoft.ML.Nlft.Reliability;

/// <summary>How long each reader is fed.</summary>
/// <param name="Count">Inputs per reader.</param>
/// <param name="Limit">Time per reader; null: no limit.</param>
/// <param name="Seed">The seed of the inputs.</param>
/// <param name="Keep">The folder that gets the inputs that reach most; null: none are written.</param>
internal sealed record FuzzOptions(long Count, TimeSpan? Limit, int Seed, string? Keep);
