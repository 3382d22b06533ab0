using Microsoft.ML.Nlft.Tests.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Training;

/// <summary>
/// Checks the learning rates of golden/objectives/schedules.json, those of transformers, to 1e-10. A run of one step has no warm-up here and is left
/// out.
/// </summary>
[TestClass]
[TestCategory("Conformance")]
public sealed class ScheduleGoldenTests
{
    private const string Vectors = "schedules.json";

    private const double Tolerance = 1e-10;

    public static IEnumerable<object[]> Cases => ObjectiveGoldens.Cases(Vectors, c => Schedule(c.GetProperty("name").GetString()!) is not null
        && ObjectiveGoldens.HasOnly(c.GetProperty("options")) && c.GetProperty("training_steps").GetInt32() > 1);

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void At_GoldenCase_GivesItsMultipliers(string id)
    {
        if (ObjectiveGoldens.Find(Vectors, id) is not { } found) return;
        var (name, steps) = (found.Case.GetProperty("name").GetString()!, found.Case.GetProperty("training_steps").GetInt32());
        var warmup = name == "constant" ? 0 : found.Case.GetProperty("warmup_steps").GetInt32(); // it has none, whatever the number says
        var curve = new LearningRateCurve(Schedule(name)!.Value, 1, warmup == 0 ? 0 : (warmup - 0.5) / steps, steps);
        Assert.AreEqual(warmup, curve.WarmupSteps);
        ObjectiveGoldens.AreClose(found.Case.Doubles("multiplier")[..steps], [.. Enumerable.Range(0, steps).Select(curve.At)], Tolerance, id);
    }

    [TestMethod]
    public void WarmupSteps_GoldenRatios_AreThoseOfTransformers()
    {
        if (ObjectiveGoldens.Part(Vectors, "warmup_steps_from_ratio") is not { } part) return;
        foreach (var value in part.GetProperty("values").EnumerateArray())
        {
            var (steps, ratio) = (value.GetProperty("training_steps").GetInt32(), value.GetProperty("warmup_ratio").GetDouble());
            var curve = new LearningRateCurve(LearningRateSchedule.Linear, 1, ratio, steps);
            Assert.AreEqual(steps == 1 ? 0 : value.GetProperty("warmup_steps").GetInt32(), curve.WarmupSteps, $"{ratio} of {steps}");
        }
    }

    private static LearningRateSchedule? Schedule(string name) => name switch
    {
        "cosine" => LearningRateSchedule.Cosine,
        "linear" => LearningRateSchedule.Linear,
        "constant" or "constant_with_warmup" => LearningRateSchedule.Constant,
        _ => null,
    };
}
