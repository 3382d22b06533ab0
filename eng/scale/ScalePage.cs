using System.Globalization;
using System.Text;
using Microsoft.ML.Nlft.Gpu;
using Microsoft.ML.Nlft.Report;

namespace Microsoft.ML.Nlft.Scale;

/// <summary>The page: what was measured, how well the model holds, what it predicts. Nothing on it is written by hand.</summary>
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

    /// <summary>Writes page and plot, each whole or not at all.</summary>
    public void Write(string path)
    {
        var plot = Path.Combine(Path.GetDirectoryName(path)!, "images", "scale.svg");
        ReportFile.Write(plot, new ScalePlot([.. s_models.Select(model => model.Name)], [.. s_processors.Select(processor => processor.Name)], [.. s_links.Select(link => link.Name)], s_processes,
            (model, processor, link, processes) => Grown(s_models[model].Shape, s_processors[processor].Speed, s_links[link], processes)).Write());
        ReportFile.Write(path, Markdown());
    }

    public string Markdown()
    {
        _text.Clear();
        Line("# How far several machines go");
        Line("");
        Line("This page is written by `./build.sh scale`; nothing on it is typed by hand. It says what a step of training costs on several processes: measured on one machine, also with slow links between");
        Line("Linux network namespaces, and predicted by a model for machines that nobody measured here. Every table says which of the two it is.");
        Line("");
        Line($"- Command: `./build.sh scale{(_measured.Arguments.Length > 0 ? " " + _measured.Arguments : "")}`; the commands under the tables are what it starts, the program being `eng/scale`.");
        Line(F($"- Machine: {_measured.Cores} cores; one thread a process; Open MPI. More processes than cores share them."));
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
        Line("    compute   = seconds a row x rows of mean length that the busiest process has, dealt as training deals them; x crowding where processes share a machine");
        Line("    sum       = latencies x (latency + a) + factor x bytes x (1 / bandwidth + b)");
        Line(F($"    latencies = one for each round; three where the round's messages have more than {SumCost.Unasked / 1024} KiB: sender and receiver ask and answer first"));
        Line("    communicate = sum of the gradients + short messages, k rounds for each doubling of the processes; divided by the steps between sums");
        Line("");
        Line("| sum of B bytes over N processes, L = ceil(log2 N) | rounds | factor | bytes sent by all |");
        Line("|---|---|---|---|");
        Line("| tree: up to process 0 and down again, to all below at once (Open MPI, a non-blocking sum in place) | 2 L | L + L (L + 1) / 2 | 2 (N - 1) B |");
        Line("| recursive doubling | L | L | N L B |");
        Line("| halves, Rabenseifner (MPICH, long arrays) | 2 L | 2 (N - 1) / N | 2 (N - 1) B |");
        Line("| ring | 2 (N - 1) | 2 (N - 1) / N | 2 (N - 1) B |");
        Line("");
        Line(_measured.NoNetwork is null
            ? $"Of these the sums over the network, two processes, speak for: {Words(_prediction.Algorithm)}. The predictions go by it."
            : $"The network could not be measured here ({_measured.NoNetwork}): the predictions assume {Words(_prediction.Algorithm)}.");
        Line("");
        Line("| fitted | value | to |");
        Line("|---|---|---|");
        Line(F($"| operations a second of a core | {_prediction.OperationsPerSecond / 1e9:0.0} GFLOP/s | steps of {_prediction.RateShape} on one process |"));
        foreach (var shape in _measured.Steps.Select(step => step.Shape).Distinct())
            Line(F($"| crowding, {shape} | {_prediction.Crowding(shape):0.00} | a step of 2 processes on this machine |"));
        Line(F($"| a, b on one machine | {1e6 * _prediction.Local.PerRound:0.0} us, {1e9 * _prediction.Local.PerByte:0.000} ns a byte | sums of 2 processes |"));
        if (_measured.NoNetwork is null)
        {
            Line(F($"| a, b over the network of this study | {1e6 * _prediction.Network.PerRound:0.0} us, {1e9 * _prediction.Network.PerByte:0.000} ns a byte | sums of 2 processes on {Measuring.NetworkLinks[0].Name} and {Measuring.NetworkLinks[2].Name} |"));
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
        Line("| model | processes | s a step | GFLOP/s in all | times one process | the model says | off by |");
        Line("|---|---|---|---|---|---|---|");
        foreach (var step in _measured.Steps)
        {
            var alone = _measured.Steps.Single(one => one.Shape == step.Shape && one.Processes == 1).Figure.Seconds;
            var says = _prediction.Step(step);
            Line(F($"| {step.Shape}, window {step.Figure.Rows} | {step.Processes} | {step.Figure.Seconds:0.000} | {step.Figure.Operations / step.Figure.Seconds / 1e9:0} | {alone / step.Figure.Seconds:0.00} | {(step.Processes <= 2 ? "fitted" : F($"{says:0.000}"))} | {(step.Processes <= 2 ? "" : Off(says, step.Figure.Seconds))} |"));
        }
        Line("");
        Line(F($"Rows have from half to one and a half of the mean length: {Rank.MeanPrompt} tokens of prompt, {Rank.MeanExtra} of feedback, {Rank.MeanResponse} of response. With more processes than the {_measured.Cores} cores nothing is gained; the model lets them share."));
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
        Line("Each process has a network namespace of its own. The link is a program that reads what each sends from a TUN device and hands it on at the link's rate, after its latency: the real TCP of the kernel and of Open MPI");
        Line(F($"goes over it, in packets of up to {NetworkRig.Mtu} bytes. It is not netem, which kernels may lack; it limits what a process sends, not what it receives; it loses nothing; and it takes time of the same cores."));
        Line("");
        Command("network sums");
        Line("");
        SumTable([.. _measured.NetworkSums.Where(sum => sum.Told is null)], _prediction.Network, sum => Measuring.IsFitted(sum.Processes, sum.Link));
        Line("The same, Open MPI told to sum in halves:");
        Line("");
        Command("network sums in halves");
        Line("");
        SumTable([.. _measured.NetworkSums.Where(sum => sum.Told is not null)], _prediction.Network, _ => false);
        Command("network steps");
        Line("");
        Line("| model | processes | link | s a step | the model says | off by | efficiency measured | the model says |");
        Line("|---|---|---|---|---|---|---|---|");
        foreach (var step in _measured.NetworkSteps)
        {
            var alone = _measured.Steps.Single(one => one.Shape == step.Shape && one.Processes == 1).Figure.Seconds;
            var (says, used) = (_prediction.Step(step), Math.Min(_measured.Cores, step.Processes));
            Line(F($"| {step.Shape}, window {step.Figure.Rows} | {step.Processes} | {step.Link.Name} | {step.Figure.Seconds:0.000} | {says:0.000}{(Measuring.IsFitted(step.Processes, step.Link) ? ", fitted" : "")} | {Off(says, step.Figure.Seconds)} | {Percent(alone / (used * step.Figure.Seconds))} | {Percent(alone / (used * says))} |"));
        }
        Line("");
        Errors("Steps that the model was not fitted to", [.. _measured.Steps.Where(step => step.Processes > 2).Concat(_measured.NetworkSteps.Where(step => !Measuring.IsFitted(step.Processes, step.Link)))
            .Select(step => _prediction.Step(step) / step.Figure.Seconds - 1)]);
    }

    private void SumTable(IReadOnlyList<MeasuredSum> sums, Overhead overhead, Func<MeasuredSum, bool> fitted)
    {
        Line("| processes | link | KiB | ms | the model says | off by |");
        Line("|---|---|---|---|---|---|");
        foreach (var sum in sums)
        {
            var says = CostModel.Sum(sum.Told ?? _prediction.Algorithm, sum.Processes, sum.Bytes, sum.Link, overhead);
            Line(F($"| {sum.Processes} | {sum.Link.Name} | {sum.Bytes / 1024:0} | {1000 * sum.Seconds:0.00} | {1000 * says:0.00}{(fitted(sum) ? ", fitted" : "")} | {Off(says, sum.Seconds)} |"));
        }
        Line("");
        Errors("Sums that the model was not fitted to", [.. sums.Where(sum => !fitted(sum)).Select(sum => sum.Error(_prediction.Algorithm, overhead))]);
    }

    private void Errors(string what, IReadOnlyList<double> errors)
    {
        if (errors.Count == 0) return;
        Line(F($"{what}, {errors.Count}: off by {Percent(errors.Average(Math.Abs))} in the mean, {Percent(errors.Max(Math.Abs))} at most."));
        Line("");
    }

    private void Predictions()
    {
        Line("## Predicted: efficiency");
        Line("");
        Line("None of this is measured. Seconds a row are the operations of the method (docs/performance.md) over the rate of the table above; the bytes are those of the default adapter in single precision. A core is one of this machine's; an accelerator");
        Line(F($"is assumed to be {Accelerator:0} times as fast. Latencies of the links are assumed: {string.Join(", ", s_links.Select(link => F($"{link.Name} {1e6 * link.Latency:0} us")))}. What a message costs beside the link is what it costs on one machine."));
        Line("Efficiency is what is left of N times the speed of one process. No failures, no slow machines, no other traffic.");
        Line("");
        Line("| model | GFLOP a row (prompt 160, feedback 120, response 140 tokens) | s a row, a core | s a row, an accelerator | MB summed a step |");
        Line("|---|---|---|---|---|");
        foreach (var (name, shape) in s_models)
        {
            var (core, accelerator) = (_prediction.WorkOf(new Workload { Shape = shape }, 1, 1), _prediction.WorkOf(new Workload { Shape = shape }, 1, Accelerator));
            Line(F($"| {name} | {new Workload { Shape = shape, Rows = 1 }.Operations("") / 1e9:0} | {core.SecondsPerRow:0.0} | {accelerator.SecondsPerRow:0.000} | {core.Bytes / 1e6:0.0} |"));
        }
        Line("");
        Line("![Predicted efficiency by number of processes](images/scale.svg)");
        Line("");
        foreach (var (processor, speed) in s_processors)
        {
            Line($"### A window of {RowsPerProcess} rows for each process, each {processor}");
            Line("");
            Line($"| model | link | {string.Join(" | ", s_processes)} |");
            Line($"|---|---|{string.Concat(s_processes.Select(_ => "---|"))}");
            foreach (var (name, shape) in s_models)
                foreach (var link in s_links)
                    Line($"| {name} | {link.Name} | {string.Join(" | ", s_processes.Select(processes => Percent(Grown(shape, speed, link, processes))))} |");
            Line("");
        }
        Line($"### A window of {FixedWindow} rows for all processes together, 10 Gbit/s");
        Line("");
        var few = s_processes.Where(processes => processes <= FixedWindow).ToArray();
        Line($"| model | processor | {string.Join(" | ", few)} |");
        Line($"|---|---|{string.Concat(few.Select(_ => "---|"))}");
        foreach (var (name, shape) in s_models)
            foreach (var (processor, speed) in s_processors)
                Line($"| {name} | {processor} | {string.Join(" | ", few.Select(processes => Percent(_prediction.Efficiency(_prediction.WorkOf(new Workload { Shape = shape }, FixedWindow, speed), processes, Link.Predicted[1]))))} |");
        Line("");
        Line("Here the rows run out: their lengths differ, and with few rows for each process the longest share is well above the mean.");
        Line("");
    }

    private void Remedies()
    {
        Line($"## Predicted: remedies over a connection from home ({Link.Home.Name})");
        Line("");
        Line("The arithmetic of each, and what it costs beside arithmetic: what it does to what the model learns is not in these figures.");
        Line("");
        int[] counts = [2, 8, 64];
        foreach (var (processor, speed) in s_processors)
        {
            Line($"### Each {processor}, {RowsPerProcess} rows for each process");
            Line("");
            Line($"| remedy | {string.Join(" | ", s_models.SelectMany(model => counts.Select(processes => $"{model.Name}, {processes}")))} | price |");
            Line($"|---|{string.Concat(s_models.SelectMany(_ => counts).Select(_ => "---|"))}---|");
            foreach (var remedy in Remedy.All)
                Line($"| {remedy.Name} | {string.Join(" | ", s_models.SelectMany(model => counts.Select(processes =>
                    Percent(_prediction.Efficiency(remedy.Apply(_prediction.WorkOf(new Workload { Shape = model.Shape }, RowsPerProcess * processes, speed)), processes, Link.Home)))))} | {remedy.Price} |");
            Line("");
        }
    }

    private double Grown(string shape, double speed, Link link, int processes) =>
        _prediction.Efficiency(_prediction.WorkOf(new Workload { Shape = shape }, RowsPerProcess * processes, speed), processes, link);

    private void Command(string name)
    {
        if (_measured.Commands.TryGetValue(name, out var command)) Line($"    {command}");
    }

    private static string Words(SumAlgorithm algorithm) => algorithm switch
    {
        SumAlgorithm.Tree => "the tree",
        SumAlgorithm.RecursiveDoubling => "recursive doubling",
        SumAlgorithm.HalvingDoubling => "halves (Rabenseifner)",
        _ => "the ring",
    };

    private static string Off(double says, double measured) => F($"{100 * (says / measured - 1):+0;-0;0} %");

    private static string Percent(double share) => F($"{100 * share:0} %");

    private static string F(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private void Line(string text) => _text.Append(text).Append('\n');
}
