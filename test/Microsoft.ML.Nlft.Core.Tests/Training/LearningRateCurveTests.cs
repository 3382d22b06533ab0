using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Training;

[TestClass]
public class LearningRateCurveTests
{
    // Factors of a run of 10 steps with 2 warm-up steps, worked out from the formulas of the Hugging Face schedules.
    [TestMethod]
    [DataRow(LearningRateSchedule.Cosine, new[] { 0, 0.5, 1, 0.961939766, 0.853553391, 0.691341716, 0.5, 0.308658284, 0.146446609, 0.038060234 })]
    [DataRow(LearningRateSchedule.Linear, new[] { 0, 0.5, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125 })]
    [DataRow(LearningRateSchedule.Constant, new[] { 0, 0.5, 1, 1, 1, 1, 1, 1, 1, 1.0 })]
    public void At_EveryStep_FollowsTheTable(LearningRateSchedule schedule, double[] factors)
    {
        var curve = new LearningRateCurve(schedule, 3e-4, warmupRatio: 0.2, totalSteps: 10);
        for (var k = 0; k < factors.Length; k++) Assert.AreEqual(3e-4 * factors[k], curve.At(k), 1e-12, $"step {k + 1}");
    }

    [TestMethod]
    [DataRow(10, 0.1, 1)]
    [DataRow(35, 0.1, 4)] // rounded up
    [DataRow(100, 0.07, 8)] // 100 * 0.07 is a little above 7 in binary: 8, as math.ceil gives there
    [DataRow(10, 0.0, 0)]
    [DataRow(10, 1.0, 10)]
    [DataRow(1, 0.1, 0)] // a single step with rate 0 would change nothing
    public void WarmupSteps_Share_IsRoundedUp(int total, double ratio, int expected) =>
        Assert.AreEqual(expected, new LearningRateCurve(LearningRateSchedule.Cosine, 1, ratio, total).WarmupSteps);

    [TestMethod]
    public void At_RunOfOneStep_IsThePeakRate()
    {
        foreach (var schedule in Enum.GetValues<LearningRateSchedule>()) Assert.AreEqual(0.5, new LearningRateCurve(schedule, 0.5, 1, 1).At(0));
    }

    [TestMethod]
    public void At_FirstStepWithoutWarmup_IsThePeakRate() =>
        Assert.AreEqual(0.5, new LearningRateCurve(LearningRateSchedule.Cosine, 0.5, 0, 4).At(0));
}
