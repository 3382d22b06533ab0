using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
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
public class ArchitectureTests : ArchitectureConformance
{
    protected override IModelEngine Engine { get; } = Tests.Models.Engine(recompute: true);

    /// <summary>The managed engine's gradients are compared with finite differences.</summary>
    [TestMethod]
    [DynamicData(nameof(Architectures.Names), typeof(Architectures))]
    public void Backward_AllWeights_EqualsTheManagedEngine(string name)
    {
        using var folder = Architectures.Create(name);
        TokenSequence[] batch = [new(new[] { 3, 1, 4, 1, 5, 9, 2, 6 }, 3), new(new[] { 2, 7, 1, 8 }, 1)];
        var (expected, actual) = (Gradients(new ManagedEngine(1)), Gradients(Engine));
        EngineSteps.AreClose(expected, actual, 1e-3, floor: 1e-2);

        IReadOnlyList<NamedTensor> Gradients(IModelEngine engine)
        {
            using var model = engine.Load(new ModelLoadOptions { Folder = folder, Trainable = TrainableWeights.All });
            EngineSteps.Backward(model, batch);
            return model.Export(ModelState.Gradients);
        }
    }
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
