using System.Globalization;
using System.Text;
using Microsoft.ML.Nlft.Gpu;
using Microsoft.ML.Nlft.Report;

namespace Microsoft.ML.Nlft.Scale;

/// <summary>Writes the page: the measurements, the errors of the model and its predictions.</summary>
internal sealed class ScalePage
{
    private const int RowsPerProcess = 4, FixedWindow = 64;
    private const double Accelerator = 500;

    private static readonly (string Name, string Shape)[] s_models = [("135 M", "smollm2-135m"), ("1 B", "1b"), ("8 B", "8b")];
    private static readonly (string Name, double Speed)[] s_processors = [("a core", 1), ("an accelerator", Accelerator)];
    private static readonly int[] s_processes = [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];
    private static readonly Link[] s_links = [.. Link.Predicted, Link.Home];

    private readonly Measurements _measured;
    private readonly Prediction _prediction;
    private readonly StringBuilder _text = new();

    public ScalePage(Measurements measured) => (_measured, _prediction) = (measured, new Prediction(measured));

    /// <summary>Writes page and plot atomically.</summary>
    public void Write(string path)
    {
        var plot = Path.Combine(Path.GetDirectoryName(path)!, "images", "scale.svg");
        ReportFile.Write(plot, new ScalePlot([.. s_models.Select(model => model.Name)], [.. s_processors.Select(processor => processor.Name)],
            [.. s_links.Select(link => link.Name)], s_processes,
            (model, processor, link, processes) => WeakScaling(s_models[model].Shape, s_processors[processor].Speed, s_links[link], processes))
                .Write());
        ReportFile.Write(path, Markdown());
    }

    public string Markdown()
    {
        _text.Clear();
        Line("# Scaling to several machines");
        Line("");
        Line("`./build.sh scale` writes this page. It shows the cost of a training step on several processes: measured on one machine and over slow "
            + "links");
        Line("between Linux network namespaces, and predicted by a model for larger machines. Every heading says which of the two follows.");
        Line("");
        Line($"- Command: `./build.sh scale{(_measured.Arguments.Length > 0 ? " " + _measured.Arguments : "")}`. It starts the "
            + "commands above the tables; the program is `eng/scale`.");
        Line(F($"- Machine: {_measured.Cores} cores; one thread per process; Open MPI. More processes than cores share the cores."));
        Line("");
        Model();
        MeasuredSteps();
        MeasuredSums();
        Network();
        Predictions();
        Remedies();
        return _text.ToString();
    }

    private void Model()
    {
        Line("## The model");
        Line("");
        Line("    step      = compute + communicate");
        Line("    compute   = seconds per row x rows of mean length on the busiest process, assigned as in training; x crowding on a shared machine");
        Line("    sum       = latencies x (latency + a) + factor x bytes x (1 / bandwidth + b)");
        Line(F($"    latencies = one per round; three where the messages exceed {SumCost.EagerLimit / 1024} KiB, for the rendezvous protocol"));
        Line("    communicate = sum of the gradients + k rounds of short messages per doubling of the processes; divided by the steps per sum");
        Line("");
        Line("| sum of B bytes over N processes, L = ceil(log2 N) | rounds | factor | bytes sent in total |");
        Line("|---|---|---|---|");
        Line("| binomial tree: reduce to rank 0, then broadcast (Open MPI, non-blocking in place) | 2 L | L + L (L + 1) / 2 | 2 (N - 1) B |");
        Line("| recursive doubling | L | L | N L B |");
        Line("| Rabenseifner: recursive halving and doubling (MPICH, long arrays) | 2 L | 2 (N - 1) / N | 2 (N - 1) B |");
        Line("| ring | 2 (N - 1) | 2 (N - 1) / N | 2 (N - 1) B |");
        Line("");
        Line(_measured.NoNetwork is null
            ? $"The sums of two processes over the network fit {NameOf(_prediction.Algorithm)} best. The predictions use it."
            : $"The network could not be measured here ({_measured.NoNetwork}): the predictions assume {NameOf(_prediction.Algorithm)}.");
        Line("");
        Line("| fitted | value | to |");
        Line("|---|---|---|");
        Line(F($"| operations per second of a core | {_prediction.OperationsPerSecond / 1e9:0.0} GFLOP/s | steps of {_prediction.RateShape} on one ")
            + F($"process |"));
        foreach (var shape in _measured.Steps.Select(step => step.Shape).Distinct())
            Line(F($"| crowding, {shape} | {_prediction.Crowding(shape):0.00} | a step of 2 processes on this machine |"));
        Line(F($"| a, b on one machine | {1e6 * _prediction.Local.PerRound:0.0} us, {1e9 * _prediction.Local.PerByte:0.000} ns per byte | sums of 2 ")
            + F($"processes |"));
        if (_measured.NoNetwork is null)
        {
            Line(F($"| a, b over the network of this study | {1e6 * _prediction.Network.PerRound:0.0} us, ")
                + F($"{1e9 * _prediction.Network.PerByte:0.000} ns per byte | sums of 2 processes on {Measuring.NetworkLinks[0].Name} and ")
                + F($"{Measuring.NetworkLinks[2].Name} |"));
            Line(F($"| k | {_prediction.ShortRounds:0.0} | a step of 2 processes on {Measuring.NetworkLinks[2].Name} |"));
        }
        Line("");
    }

    private void MeasuredSteps()
    {
        Line("## Measured: steps on this machine");
        Line("");
        Command("steps");
        Line("");
        Line("| model | processes | s per step | GFLOP/s in total | speedup | predicted | error |");
        Line("|---|---|---|---|---|---|---|");
        foreach (var step in _measured.Steps)
        {
            var alone = _measured.Steps.Single(one => one.Shape == step.Shape && one.Processes == 1).Figure.Seconds;
            var predicted = _prediction.Step(step);
            Line(F($"| {step.Shape}, window {step.Figure.Rows} | {step.Processes} | {step.Figure.Seconds:0.000} | ")
                + F($"{step.Figure.Operations / step.Figure.Seconds / 1e9:0} | {alone / step.Figure.Seconds:0.00} | ")
                + F($"{(step.Processes <= 2 ? "fitted" : F($"{predicted:0.000}"))} | ")
                    + F($"{(step.Processes <= 2 ? "" : Off(predicted, step.Figure.Seconds))} |"));
        }
        Line("");
        Line(F($"Rows have 0.5 to 1.5 times the mean length: {Rank.MeanPrompt} tokens of prompt, {Rank.MeanExtra} of feedback, {Rank.MeanResponse} ")
            + F($"of response."));
        Line(F($"More processes than the {_measured.Cores} cores gain nothing; in the model they share the cores."));
        Line("");
    }

    private void MeasuredSums()
    {
        Line("## Measured: sums on this machine");
        Line("");
        Command("sums");
        Line("");
        SumTable(_measured.Sums, _prediction.Local, sum => sum.Processes == 2);
    }

    private void Network()
    {
        Line("## Measured: over slow links");
        Line("");
        if (_measured.NoNetwork is { } reason)
        {
            Line($"Left out: {reason}.");
            Line("");
            return;
        }
        Line("Each process has its own network namespace. The link is a program that reads a process's packets from a TUN device and");
        Line("forwards them at the link's rate, after its latency. The TCP of the kernel and of Open MPI is real,");
        Line(F($"with packets of up to {NetworkRig.Mtu} bytes. The program replaces netem, which some kernels lack. It limits what a process ")
            + F($"sends, not what"));
        Line("it receives; it loses no packets; and it uses time of the same cores.");
        Line("");
        Command("network sums");
        Line("");
        SumTable([.. _measured.NetworkSums.Where(sum => sum.Configured is null)], _prediction.Network, sum =>
            Measuring.IsFitted(sum.Processes, sum.Link));
        Line("The same with Rabenseifner's algorithm in Open MPI:");
        Line("");
        Command("network sums, Rabenseifner");
        Line("");
        SumTable([.. _measured.NetworkSums.Where(sum => sum.Configured is not null)], _prediction.Network, _ => false);
        Command("network steps");
        Line("");
        Line("| model | processes | link | s per step | predicted | error | efficiency measured | predicted |");
        Line("|---|---|---|---|---|---|---|---|");
        foreach (var step in _measured.NetworkSteps)
        {
            var alone = _measured.Steps.Single(one => one.Shape == step.Shape && one.Processes == 1).Figure.Seconds;
            var (predicted, used) = (_prediction.Step(step), Math.Min(_measured.Cores, step.Processes));
            Line(F($"| {step.Shape}, window {step.Figure.Rows} | {step.Processes} | {step.Link.Name} | {step.Figure.Seconds:0.000} | ")
                + F($"{predicted:0.000}{(Measuring.IsFitted(step.Processes, step.Link) ? ", fitted" : "")} | ")
                + F($"{Off(predicted, step.Figure.Seconds)} | ")
                + F($"{Percent(alone / (used * step.Figure.Seconds))} | {Percent(alone / (used * predicted))} |"));
        }
        Line("");
        Errors("Steps outside the fit", [.. _measured.Steps.Where(step => step.Processes > 2)
            .Concat(_measured.NetworkSteps.Where(step => !Measuring.IsFitted(step.Processes, step.Link)))
            .Select(step => _prediction.Step(step) / step.Figure.Seconds - 1)]);
    }

    private void SumTable(IReadOnlyList<MeasuredSum> sums, Overhead overhead, Func<MeasuredSum, bool> fitted)
    {
        Line("| processes | link | KiB | ms | predicted | error |");
        Line("|---|---|---|---|---|---|");
        foreach (var sum in sums)
        {
            var predicted = CostModel.Sum(sum.Configured ?? _prediction.Algorithm, sum.Processes, sum.Bytes, sum.Link, overhead);
            Line(F($"| {sum.Processes} | {sum.Link.Name} | {sum.Bytes / 1024:0} | {1000 * sum.Seconds:0.00} | ")
                + F($"{1000 * predicted:0.00}{(fitted(sum) ? ", fitted" : "")} | {Off(predicted, sum.Seconds)} |"));
        }
        Line("");
        Errors("Sums outside the fit", [.. sums.Where(sum => !fitted(sum))
            .Select(sum => sum.Error(_prediction.Algorithm, overhead))]);
    }

    private void Errors(string what, IReadOnlyList<double> errors)
    {
        if (errors.Count == 0) return;
        Line(F($"{what}, {errors.Count}: mean error {Percent(errors.Average(Math.Abs))}, maximum {Percent(errors.Max(Math.Abs))}."));
        Line("");
    }

    private void Predictions()
    {
        Line("## Predicted: efficiency");
        Line("");
        Line("Nothing in this section is measured. Seconds per row are the operations of the method (docs/performance.md) divided by the");
        Line("rate above; the bytes are those of the default adapter in single precision. A core is one of this machine's;");
        Line(F($"an accelerator is assumed to be {Accelerator:0} times as fast. The latencies of the links are assumptions:"));
        Line($"{string.Join(", ", s_links.Select(link => F($"{link.Name} {1e6 * link.Latency:0} us")))}.");
        Line("The overhead of a message is that of one machine.");
        Line("Efficiency is the speed divided by N times the speed of one process, without failures, slow machines or other traffic.");
        Line("");
        Line("A row has 160 tokens of prompt, 120 of feedback and 140 of response.");
        Line("");
        Line("| model | GFLOP per row | s per row, a core | s per row, an accelerator | MB summed per step |");
        Line("|---|---|---|---|---|");
        foreach (var (name, shape) in s_models)
        {
            var (core, accelerator) = (_prediction.WorkOf(new Workload { Shape = shape }, 1, 1),
                _prediction.WorkOf(new Workload { Shape = shape }, 1, Accelerator));
            Line(F($"| {name} | {new Workload { Shape = shape, Rows = 1 }.Operations("") / 1e9:0} | {core.SecondsPerRow:0.0} | ")
                + F($"{accelerator.SecondsPerRow:0.000} | {core.Bytes / 1e6:0.0} |"));
        }
        Line("");
        Line("![Predicted efficiency by number of processes](images/scale.svg)");
        Line("");
        foreach (var (processor, speed) in s_processors)
        {
            Line($"### A window of {RowsPerProcess} rows per process, each {processor}");
            Line("");
            Line($"| model | link | {string.Join(" | ", s_processes)} |");
            Line($"|---|---|{string.Concat(s_processes.Select(_ => "---|"))}");
            foreach (var (name, shape) in s_models)
            {
                foreach (var link in s_links)
                {
                    Line($"| {name} | {link.Name} | "
                        + $"{string.Join(" | ", s_processes.Select(processes => Percent(WeakScaling(shape, speed, link, processes))))} |");
                }
            }
            Line("");
        }
        Line($"### A window of {FixedWindow} rows for all processes, 10 Gbit/s");
        Line("");
        var few = s_processes.Where(processes => processes <= FixedWindow).ToArray();
        Line($"| model | processor | {string.Join(" | ", few)} |");
        Line($"|---|---|{string.Concat(few.Select(_ => "---|"))}");
        foreach (var (name, shape) in s_models)
        {
            foreach (var (processor, speed) in s_processors)
            {
                var work = _prediction.WorkOf(new Workload { Shape = shape }, FixedWindow, speed);
                var efficiencies = few.Select(processes => Percent(_prediction.Efficiency(work, processes, Link.Predicted[1])));
                Line($"| {name} | {processor} | {string.Join(" | ", efficiencies)} |");
            }
        }
        Line("");
        Line("Here the rows are too few: their lengths differ, and with few rows per process the longest share is well above the mean.");
        Line("");
    }

    private void Remedies()
    {
        Line($"## Predicted: remedies for a home connection ({Link.Home.Name})");
        Line("");
        Line("The figures show the effect on speed only, not on what the model learns.");
        Line("");
        Line("| remedy | cost |");
        Line("|---|---|");
        foreach (var remedy in Remedy.All) Line($"| {remedy.Name} | {remedy.Price} |");
        Line("");
        int[] counts = [2, 8, 64];
        foreach (var (processor, speed) in s_processors)
        {
            Line($"### Each {processor}, {RowsPerProcess} rows per process");
            Line("");
            var columns = s_models.SelectMany(model => counts.Select(processes => $"{model.Name}, {processes}"));
            Line($"| remedy | {string.Join(" | ", columns)} |");
            Line($"|---|{string.Concat(s_models.SelectMany(_ => counts).Select(_ => "---|"))}");
            foreach (var remedy in Remedy.All)
            {
                var efficiencies = from model in s_models
                                   from processes in counts
                                   let work = _prediction.WorkOf(new Workload { Shape = model.Shape }, RowsPerProcess * processes, speed)
                                   select Percent(_prediction.Efficiency(remedy.Apply(work), processes, Link.Home));
                Line($"| {remedy.Name} | {string.Join(" | ", efficiencies)} |");
            }
            Line("");
        }
    }

    private double WeakScaling(string shape, double speed, Link link, int processes) =>
        _prediction.Efficiency(_prediction.WorkOf(new Workload { Shape = shape }, RowsPerProcess * processes, speed), processes, link);

    private void Command(string name)
    {
        if (_measured.Commands.TryGetValue(name, out var command)) Line($"    {command.Replace(" --", " \\\n        --")}");
    }

    private static string NameOf(SumAlgorithm algorithm) => algorithm switch
    {
        SumAlgorithm.Tree => "the binomial tree",
        SumAlgorithm.RecursiveDoubling => "recursive doubling",
        SumAlgorithm.HalvingDoubling => "Rabenseifner's algorithm",
        _ => "the ring",
    };

    private static string Off(double predicted, double measured) => F($"{100 * (predicted / measured - 1):+0;-0;0} %");

    private static string Percent(double share) => F($"{100 * share:0} %");

    private static string F(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private void Line(string text) => _text.Append(text).Append('\n');
}
