namespace Microsoft.ML.Nlft.Tests;

/// <summary>The managed engine on several processes.</summary>
[TestClass]
public sealed class DistributedTrainingTests : DistributedTraining;
