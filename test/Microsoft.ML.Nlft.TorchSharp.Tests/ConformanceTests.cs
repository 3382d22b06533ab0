using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tests.Engines;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>float32: the tolerances of the managed engine.</summary>
[TestClass]
public class Float32ConformanceTests : EngineConformance
{
    protected override IModelEngine Engine { get; } = Tests.Models.Engine();
}

/// <summary>Activations computed again on the way back.</summary>
[TestClass]
public class RecomputingConformanceTests : EngineConformance
{
    protected override IModelEngine Engine { get; } = Tests.Models.Engine(recompute: true);
}

/// <summary>
/// bfloat16 against float64 goldens. The golden models are random, with logits up to 25 in size, of which eight bits are steps of
/// 0.06 to 0.125 in every single product: hence these tolerances.
/// </summary>
[TestClass]
public class BFloat16ConformanceTests : EngineConformance
{
    protected override IModelEngine Engine { get; } = Tests.Models.Engine(type: TensorType.BF16);

    protected override double ScoreTolerance => 1;

    protected override double TieTolerance => 1;

    protected override double GradientTolerance => 0.15;

    protected override double LossTolerance => 0.1;
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
