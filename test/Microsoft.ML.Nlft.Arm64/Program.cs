using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.Arm;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Tests.Engines;

// Calls tests of the managed engine and prints what each did: an emulator of ARM64 does not run all that a test runner needs.
Console.WriteLine($"{RuntimeInformation.ProcessArchitecture}, AdvSimd {(AdvSimd.Arm64.IsSupported ? "yes" : "no")}");
var (products, digits, layers, architectures, engine) = (new MatrixProductTests(), new DigitProductTests(), new LayerGradientTests(),
    new ArchitectureGradientTests(), new ManagedEngineTests());
List<(string Name, Action Check)> checks =
[
    ("product, float32", () => products.Multiply_PackedWeight_EqualsTheNaiveProductOfItsFloat32Values(TensorType.F32, 45, 70)),
    ("product, float16", () => products.Multiply_PackedWeight_EqualsTheNaiveProductOfItsFloat32Values(TensorType.F16, 45, 70)),
    ("product, bfloat16", () => products.Multiply_PackedWeight_EqualsTheNaiveProductOfItsFloat32Values(TensorType.BF16, 45, 70)),
    ("product, int8", () => products.Multiply_PackedWeight_EqualsTheNaiveProductOfItsFloat32Values(TensorType.I8, 45, 70)),
    ("product of blocks", () => products.Multiply_WeightInBlocks_GivesTheBitsOfItsFloat32Values(32, 5)),
    ("several products", products.Multiply_SeveralProducts_EqualsEachAlone),
    ("two terms", () => products.Multiply_TwoTermsAndAnAddend_EqualsTheNaiveSum(31, 100, 40, 16)),
    ("exp", products.Exp_AnyFloat_IsWithinTwoUnitsInTheLastPlace),
    ("digits", () => digits.Multiply_InDigits_GivesTheBitsOfItsDefinition(45, 70, true)),
    ("digits within rounding", () => digits.Multiply_InDigits_IsWithinTheRoundingOfFloat32(576, false)),
    ("rms norm", () => layers.RmsNormBackward_AnyGroupSizeAndKind_MatchesFiniteDifferences(12, 4, false)),
    ("attention, backward", () => layers.AttentionBackward_AnyGroupsWindowAndCap_MatchesFiniteDifferences(3, 2, null)),
    ("attention, forward", () => layers.AttentionForward_SeveralTiles_EqualsTheNaiveSum(20, 0.1)),
    ("activation", layers.ActivationForward_WideRange_EqualsItsDefinition),
    ("linear", () => layers.LinearBackward_WithOrWithoutDropout_MatchesFiniteDifferences(0.3)),
    ("head", () => layers.TokenHeadBackward_AnyCoefficientsCapAndCandidates_MatchesFiniteDifferences(3, 3)),
    ("feed-forward", () => architectures.FeedForwardBackward_AnyLayout_MatchesFiniteDifferences(FeedForwardLayout.Separate, Activation.Silu)),
    ("training", () => engine.Train_AnyThreadsAndActivationMemory_GivesTheSameBits(TrainableWeights.Lora)),
    ("training, bfloat16", () => engine.Train_WeightsOfANarrowType_EqualsTheirFloat32Values(TensorType.BF16, false)),
    ("training, 4 bits", () => engine.Train_WeightsOfANarrowType_EqualsTheirFloat32Values(TensorType.I8, true)),
];
var failed = 0;
foreach (var (name, check) in checks)
{
    var start = Stopwatch.GetTimestamp();
    try
    {
        check();
        Console.WriteLine($"{name}: {Stopwatch.GetElapsedTime(start).TotalSeconds:F1} s");
    }
    catch (Exception exception)
    {
        failed++;
        Console.WriteLine($"{name}: {exception}");
    }
}
Console.WriteLine($"{checks.Count - failed} passed, {failed} failed");
return failed == 0 ? 0 : 1;
