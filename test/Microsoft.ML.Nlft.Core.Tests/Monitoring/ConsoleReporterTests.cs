using Microsoft.ML.Nlft.Monitoring;
using Microsoft.ML.Nlft.Tests.Training;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Monitoring;

[TestClass]
public sealed class ConsoleReporterTests
{
    [TestMethod]
    public void Report_NoTerminal_WritesALineEveryTenthAndAfterSilence()
    {
        var (writer, time) = (new StringWriter { NewLine = "\n" }, new ManualTime());
        var reporter = new ConsoleReporter(writer, terminal: false, timeProvider: time);
        reporter.Begin(Steps.Run);
        for (var step = 1; step <= 40; step++)
        {
            reporter.Report(Steps.At(step, 40));
            time.Advance(step == 2 ? 31 : 1); // the third step comes after half a minute of silence
        }
        reporter.End(new FineTuneResult([], Cancelled: false));
        var lines = writer.ToString().TrimEnd('\n').Split('\n');
        Assert.AreEqual("Training: NLFT on 25 rows, model tiny.", lines[0]);
        CollectionAssert.AreEqual(new[] { 1, 3, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40 },
            lines.Skip(1).Select(line => int.Parse(line.Split("step ")[1].Split(' ')[0])).ToArray());
        Assert.AreEqual("Training:  10 %, step 4 of 40, loss 0.2500, salient 2.0 %, 1235 tokens/s, 1:02:16 left", lines[3]);
    }

    [TestMethod]
    public void Report_Terminal_RedrawsOneLineWithinItsWidth()
    {
        var (writer, time) = (new StringWriter { NewLine = "\n" }, new ManualTime());
        var reporter = new ConsoleReporter(writer, terminal: true, "NLFT", width: 70, time);
        for (var step = 1; step <= 20; step++)
        {
            reporter.Report(Steps.At(step));
            time.Advance(1);
        }
        reporter.End(new FineTuneResult([], Cancelled: false));
        var drawings = writer.ToString().TrimEnd('\n').Split('\r', StringSplitOptions.RemoveEmptyEntries);
        Assert.HasCount(20, drawings);
        Assert.StartsWith("NLFT [############............] step 10 of 20, loss 0.1000,", drawings[9]);
        Assert.StartsWith("NLFT [########################] step 20 of 20", drawings[^1]);
        foreach (var drawing in drawings) Assert.IsLessThan(70, drawing.Length);
        Assert.EndsWith("\n", writer.ToString());
    }

    [TestMethod]
    public void Report_FastSteps_RedrawsAtMostTenTimesASecond()
    {
        var (writer, time) = (new StringWriter(), new ManualTime());
        var reporter = new ConsoleReporter(writer, terminal: true, timeProvider: time);
        for (var step = 1; step <= 20; step++) reporter.Report(Steps.At(step));
        var drawings = writer.ToString().Split('\r', StringSplitOptions.RemoveEmptyEntries);
        Assert.HasCount(2, drawings);
        Assert.Contains("step 20 of 20", drawings[1]);
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Report_Validation_WritesALinePerEvaluationAndAnswer(bool terminal)
    {
        var writer = new StringWriter { NewLine = "\n" };
        var reporter = new ConsoleReporter(writer, terminal, timeProvider: new ManualTime());
        reporter.Report(Steps.At(1) with { Validation = [Steps.Evaluation(0, answers: false), Steps.Evaluation(1)] });
        reporter.Report(Steps.At(2) with { Validation = [Steps.Evaluation(2, answers: false)] });
        var lines = writer.ToString().Split('\n').Where(line => !line.Contains(" of 20")).ToArray();
        CollectionAssert.AreEqual(new[]
        {
            "Training: validation before training: loss 2.0000",
            "Training: validation after step 1, epoch 0.20: loss 1.0000, accuracy 50.0 % of 2, best so far",
            "Training:   1 + 1? -> #### 2 (right)",
            "Training:   2 + 2? -> a | b (expected 4)",
            "Training: validation after step 2, epoch 0.40: loss 0.6667, best so far",
        }, lines.Where(line => line.Length > 0).ToArray());
    }

    [TestMethod]
    public void End_CancelledOrFailed_WritesTheOutcome()
    {
        var writer = new StringWriter { NewLine = "\n" };
        var reporter = new ConsoleReporter(writer, terminal: false);
        reporter.End(new FineTuneResult([Steps.At(1)], Cancelled: true));
        reporter.End(null);
        Assert.AreEqual("Training: cancelled after 1 steps.\nTraining: failed.\n", writer.ToString());
    }
}
