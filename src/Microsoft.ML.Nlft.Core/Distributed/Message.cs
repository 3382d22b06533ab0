namespace Microsoft.ML.Nlft.Distributed;

/// <summary>A message from one process to another.</summary>
/// <param name="From">The rank that sent it.</param>
/// <param name="Tag">The tag it was sent with.</param>
/// <param name="Content">Its bytes.</param>
public sealed record Message(int From, int Tag, byte[] Content);
