using Microsoft.ML.Nlft.Scale;

namespace Microsoft.ML.Nlft.TinyModel.Tests;

/// <summary>Tests the scaling study without its measurements: costs, fits, predictions and page.</summary>
[TestClass]
public sealed class ScaleTests
{
    private static readonly Overhead s_free = new(0, 0);

    [TestMethod]
    [DataRow(nameof(SumAlgorithm.Tree), 1, 0, 0.0, 0.0)]
    [DataRow(nameof(SumAlgorithm.Tree), 2, 2, 2.0, 2.0)]
    [DataRow(nameof(SumAlgorithm.Tree), 4, 4, 5.0, 6.0)] // up 1 + 1; down 2 copies at once, then 1
    [DataRow(nameof(SumAlgorithm.Tree), 5, 6, 9.0, 8.0)]
    [DataRow(nameof(SumAlgorithm.RecursiveDoubling), 8, 3, 3.0, 24.0)]
    [DataRow(nameof(SumAlgorithm.HalvingDoubling), 8, 6, 1.75, 14.0)]
    [DataRow(nameof(SumAlgorithm.Ring), 4, 6, 1.5, 6.0)]
    [DataRow(nameof(SumAlgorithm.Ring), 1, 0, 0.0, 0.0)]
    public void SumCost_KnownAlgorithm_HasRoundsFactorAndTraffic(string algorithm, int processes, int rounds, double factor, double traffic)
    {
        var parsed = Enum.Parse<SumAlgorithm>(algorithm);
        Assert.AreEqual((rounds, factor), (SumCost.Rounds(parsed, processes), SumCost.Factor(parsed, processes)));
        Assert.AreEqual(traffic, SumCost.Traffic(parsed, processes));
    }

    [TestMethod]
    public void Latencies_LongMessage_TakesThree()
    {
        Assert.AreEqual(4, SumCost.Latencies(SumAlgorithm.Tree, 4, 65536));
        Assert.AreEqual(12, SumCost.Latencies(SumAlgorithm.Tree, 4, 65540));
        Assert.AreEqual(4, SumCost.Latencies(SumAlgorithm.HalvingDoubling, 4, 131072)); // 64 KiB, then 32 KiB
        Assert.AreEqual(2 * 3 + 2, SumCost.Latencies(SumAlgorithm.HalvingDoubling, 4, 131080));
        Assert.AreEqual(6, SumCost.Latencies(SumAlgorithm.Ring, 4, 262144));
    }

    [TestMethod]
    public void Sum_KnownLink_AddsLatenciesAndBytes()
    {
        var link = Link.Of("link", 0.01, 8); // 10 ms, a million bytes a second
        Assert.AreEqual(2 * 3 * (0.01 + 0.001) + 2 * 100_000 * (1e-6 + 1e-7),
            CostModel.Sum(SumAlgorithm.Tree, 2, 100_000, link, new Overhead(0.001, 1e-7)), 1e-12);
        Assert.AreEqual(0.0, CostModel.Sum(SumAlgorithm.Tree, 1, 100_000, link, new Overhead(0.001, 1e-7)));
    }

    [TestMethod]
    public void LongestShare_EqualRows_IsTheRoundedUpShare()
    {
        Assert.AreEqual(4.0, CostModel.LongestShare(8, 2, spread: 0), 1e-9);
        Assert.AreEqual(4.0, CostModel.LongestShare(7, 2, spread: 0), 1e-9);
        Assert.AreEqual(1.0, CostModel.LongestShare(3, 8, spread: 0), 1e-9);
        Assert.AreEqual(1.5 - 0.5 / 64, CostModel.LongestShare(64, 64, spread: 0.5), 1e-3); // the longest row alone
        Assert.IsInRange(16.0, 16.1, CostModel.LongestShare(64, 4, spread: 0.5));
    }

    [TestMethod]
    public void Efficiency_SeveralProcesses_IsTheShareOfIdealSpeed()
    {
        var link = Link.Of("link", 0, 8);
        var work = new StepWork { SecondsPerRow = 1, Rows = 4, Bytes = 1e6, Spread = 0 };
        Assert.AreEqual(2.0 + 2.0, CostModel.Step(work, 2, link, s_free), 1e-9); // two rows, then the array up and down
        Assert.AreEqual(0.5, CostModel.Efficiency(work, 2, link, s_free), 1e-9);
        Assert.AreEqual(1.0, CostModel.Efficiency(work, 1, link, s_free), 1e-9);
        Assert.AreEqual(4.0 / (2 * 3), CostModel.Efficiency(work with { StepsPerSum = 2 }, 2, link, s_free), 1e-9);
        Assert.AreEqual(4.0 / (2 * 3), CostModel.Efficiency(work with { Algorithm = SumAlgorithm.HalvingDoubling }, 2, link, s_free), 1e-9);
        Assert.AreEqual(2.0 + 2.0 + 3 * 0.5, CostModel.Step(work with { ShortRounds = 3 }, 2, link with { Latency = 0.5 }, s_free) - 6 * 0.5, 1e-9);
    }

    [TestMethod]
    public void Compute_MoreProcessesThanCores_SharesThem()
    {
        var work = new StepWork { SecondsPerRow = 1, Rows = 8, Bytes = 0, Spread = 0 };
        Assert.AreEqual((4.0, 2.0), (CostModel.Compute(work, 4, cores: 2), CostModel.Compute(work, 4)));
        Assert.AreEqual((8.0, 6.0), (CostModel.Compute(work with { Crowding = 1.5 }, 1), CostModel.Compute(work with { Crowding = 1.5 }, 2)));
    }

    [TestMethod]
    public void Fit_SyntheticSums_RecoversOverheadAndAlgorithm()
    {
        var overhead = new Overhead(3e-4, 2e-9);
        foreach (var algorithm in (SumAlgorithm[])[SumAlgorithm.Tree, SumAlgorithm.HalvingDoubling])
        {
            var sums = Sums(algorithm, overhead);
            Assert.AreEqual(algorithm, Fit.Algorithm(sums));
            var found = Fit.Overhead(sums, algorithm);
            Assert.AreEqual(3e-4, found.PerRound, 1e-9);
            Assert.AreEqual(2e-9, found.PerByte, 1e-14);
            Assert.AreEqual(0.0, sums.Max(sum => Math.Abs(sum.Error(algorithm, found))), 1e-9);
        }
    }

    [TestMethod]
    public void Overhead_NoisySums_IsNeverNegative()
    {
        var faster = Sums(SumAlgorithm.Tree, s_free).Where(sum => sum.Seconds > 0).Select(sum => sum with { Seconds = 0.9 * sum.Seconds }).ToList();
        var found = Fit.Overhead(faster, SumAlgorithm.Tree);
        Assert.AreEqual((0.0, 0.0), (found.PerRound, found.PerByte));
    }

    [TestMethod]
    public void AdapterBytes_KnownShapes_MatchTheDefaultRank()
    {
        // 30 layers, three products of 576 and 1536, rank 16, four bytes.
        Assert.AreEqual(30.0 * 3 * 16 * (576 + 1536) * 4, Prediction.AdapterBytes(new Gpu.Workload { Shape = "smollm2-135m" }.Model));
    }

    [TestMethod]
    public void ScalePage_NoNetwork_ShowsWhatWasMeasuredAndLeftOut()
    {
        var step = new StepFigure(2, 8, 1e6, 1e11);
        var measured = new Measurements
        {
            Cores = 2,
            NoNetwork = "it takes root",
            Steps = [new("small-20m", 1, Link.OneMachine, step), new("small-20m", 2, Link.OneMachine, step with { Seconds = 1.25 })],
            Sums = [.. Sums(SumAlgorithm.Tree, new(1e-5, 1e-9)).Where(sum => sum.Link == Link.OneMachine)],
        };
        var page = new ScalePage(measured).Markdown();
        Assert.Contains("| small-20m, window 8 | 2 | 1.250 | 80 | 1.60 | fitted |", page);
        Assert.Contains("| operations per second of a core | 50.0 GFLOP/s |", page);
        Assert.Contains("Left out: it takes root.", page);
        Assert.Contains("### A window of 4 rows per process, each an accelerator", page);
        Assert.DoesNotContain("NaN", page);
        Assert.DoesNotContain("∞", page);
        var kept = Path.GetTempFileName();
        measured.Save(kept);
        Assert.AreEqual(page, new ScalePage(Measurements.Load(kept)).Markdown());
        File.Delete(kept);
    }

    [TestMethod]
    public void ScaleCommand_KnownOptions_ReadsThem()
    {
        var command = new ScaleCommand(_ => 0);
        Assert.AreEqual(new ScaleOptions { PageOnly = true }, command.Read(command.Parse(["--page"])));
        Assert.AreEqual(new ScaleOptions { Quick = true, Output = "page.md" }, command.Read(command.Parse(["--quick", "--output", "page.md"])));
    }

    [TestMethod]
    [DataRow("--fast")]
    [DataRow("--output")]
    [DataRow("quick")]
    public void ScaleCommand_UnknownArguments_AreRefused(string arguments) => Assert.IsNotEmpty(new ScaleCommand(_ => 0).Parse(arguments).Errors);

    [TestMethod]
    public void ScaleCommand_Rank_TakesItsArguments()
    {
        var command = new ScaleCommand(_ => 0);
        Assert.IsEmpty(command.Parse(["rank", "sum", "3", "4096", "65536"]).Errors);
        Assert.IsEmpty(command.Parse(["rank", "train", "small-20m", "folder", "8", "4"]).Errors);
        Assert.IsNotEmpty(command.Parse(["rank", "sum", "many"]).Errors);
    }

    private static IReadOnlyList<MeasuredSum> Sums(SumAlgorithm algorithm, Overhead overhead) =>
    [
        .. from link in (Link[])[Link.OneMachine, Link.Of("slow", 0.005, 100)]
           from processes in (int[])[2, 4]
           from bytes in (int[])[4096, 1 << 18, 1 << 21]
           select new MeasuredSum(processes, bytes, link, CostModel.Sum(algorithm, processes, bytes, link, overhead)),
    ];
}
