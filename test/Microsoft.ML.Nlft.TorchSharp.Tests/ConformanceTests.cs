using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>float32.</summary>
[TestClass]
public class Float32ConformanceTests : EngineConformance
{
    protected override IModelEngine Engine { get; } = Tests.Models.Engine();
}

/// <summary>Activations recomputed in the backward pass.</summary>
[TestClass]
public class RecomputingConformanceTests : EngineConformance
{
    protected override IModelEngine Engine { get; } = Tests.Models.Engine(recompute: true);
}

[TestClass]
public class TransformersTests : TransformersConformance
{
    protected override IModelEngine Engine { get; } = Tests.Models.Engine();
}

[TestClass]
public class BFloat16ConformanceTests : BFloat16Conformance
{
    protected override IModelEngine Engine { get; } = Tests.Models.Engine(type: TensorType.BF16);
}

[TestClass]
public class BehaviourTests : EngineBehaviour
{
    protected override IModelEngine Engine { get; } = Tests.Models.Engine();
}

[TestClass]
public class RecomputingBehaviourTests : EngineBehaviour
{
    protected override IModelEngine Engine { get; } = Tests.Models.Engine(recompute: true);
}

/// <summary>Real processes that train on the engine together; this assembly is their program.</summary>
[TestClass]
public sealed class TorchSharpDistributedTrainingTests : DistributedTraining;
