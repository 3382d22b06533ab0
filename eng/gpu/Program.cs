using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Microsoft.ML.Nlft;
using Microsoft.ML.Nlft.Gpu;

// Measures a natural-language fine-tuning step of a model with random weights, each mode in its own process, and prints one table.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var parsed = new WorkloadCommand(Run).Parse(args);
var exitCode = parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
return parsed.Errors.Count > 0 ? 2 : exitCode;

int Run(Workload work)
{
    try
    {
        return Measure(work);
    }
    catch (Exception exception) when (exception is NlftException or ArgumentException)
    {
        Console.Error.WriteLine(exception.Message);
        return 2;
    }
}

int Measure(Workload work)
{
    if (work.Only is not null)
    {
        Console.WriteLine(Measurement.Prefix + JsonSerializer.Serialize(Measurement.Take(work)));
        return 0;
    }
    RandomModel.Write(work);
    if (work.Rows > 1 && Array.Exists(work.Modes, mode => mode.StartsWith("peer-", StringComparison.Ordinal)))
        throw new ArgumentException($"--rows {work.Rows}: expected 1 beside a peer- mode.");
    Console.WriteLine($"{work.Shape} on {work.Device}: {work.Rows} rows of {work.Prompt}+{work.Response} tokens, judge and standard +{work.Extra}; " +
        $"{work.TokensPerStep("")} tokens and {work.Operations("") / 1e12:0.###} T operations a step");
    Console.WriteLine($"{"mode",-18} {"s/step",9} {"tokens/s",10} {"TFLOP/s",9} {"product",9} {"use",6} {"peak GiB",9}");
    var (failed, measured) = (false, new List<(string Mode, Measurement Found)>());
    foreach (var mode in work.Modes)
    {
        var (found, error) = RunAlone(mode);
        failed |= found is null;
        if (found is null)
        {
            Console.WriteLine($"{mode,-18} not measured: {error}");
            continue;
        }
        measured.Add((mode, found));
        var rate = work.Operations(mode) / found.SecondsPerStep;
        var tokenRate = work.TokensPerStep(mode) / found.SecondsPerStep;
        Console.WriteLine($"{mode,-18} {found.SecondsPerStep,9:0.0000} {tokenRate,10:0} {rate / 1e12,9:0.000} " +
            $"{found.ProductRate / 1e12,9:0.000} {rate / found.ProductRate,6:0.0 %} {found.PeakBytes / (double)(1 << 30),9:0.00}");
    }
    Console.WriteLine("product: the measured rate of large matrix products in the mode's type; use: the step's rate as a share of it.");
    PrintPhases(measured);
    foreach (var (baseline, its) in measured.Where(one => PyTorch.IsBaseline(one.Mode)))
    {
        var ours = measured.Where(one => !PyTorch.IsBaseline(one.Mode) && Workload.IsSupervised(one.Mode) == Workload.IsSupervised(baseline));
        Console.WriteLine($"times the step of {baseline}: " + string.Join(", ", ours.Select(one =>
            $"{one.Mode} {one.Found.SecondsPerStep / its.SecondsPerStep:0.00}")));
    }
    return failed ? 1 : 0;

    void PrintPhases(IReadOnlyList<(string Mode, Measurement Found)> all)
    {
        if (all.All(one => one.Found.Phases is null)) return;
        string[] names = ["score", "forward", "backward", "update"];
        Console.WriteLine($"{"seconds",-18} " + string.Join(' ', names.Select(name => $"{name,17}"))
            + "    until the call returns / the device is done");
        foreach (var (mode, found) in all)
        {
            if (found.Phases is not { } phases) continue;
            var cells = names.Select(name => phases.FirstOrDefault(phase => phase.Name == name))
                .Select(phase => phase is null ? $"{"",17}" : $"{phase.Returned,8:0.0000}/{phase.Done,8:0.0000}");
            Console.WriteLine($"{mode,-18} " + string.Join(' ', cells));
        }
    }

    (Measurement?, string) RunAlone(string mode)
    {
        var program = Path.Combine(AppContext.BaseDirectory, typeof(Workload).Assembly.GetName().Name + (OperatingSystem.IsWindows() ? ".exe" : ""));
        var start = PyTorch.IsBaseline(mode) ? PyTorch.Command(work, mode) : new ProcessStartInfo(program, [.. args, "--only", mode]);
        (start.RedirectStandardOutput, start.RedirectStandardError) = (true, true);
        start.Environment["OMP_WAIT_POLICY"] = "passive"; // as the engine does; PyTorch's threads would spin
        if (work.Threads > 0) start.Environment["OMP_NUM_THREADS"] = $"{work.Threads}";
        try
        {
            using var process = Process.Start(start)!;
            var errors = process.StandardError.ReadToEndAsync();
            var lines = process.StandardOutput.ReadToEnd().Split('\n');
            process.WaitForExit();
            var row = lines.FirstOrDefault(line => line.StartsWith(Measurement.Prefix, StringComparison.Ordinal));
            var found = row is null ? PyTorch.Read(mode, lines) : JsonSerializer.Deserialize<Measurement>(row[Measurement.Prefix.Length..]);
            return (found, errors.Result.Trim().Split('\n')[^1]);
        }
        catch (System.ComponentModel.Win32Exception exception)
        {
            return (null, exception.Message);
        }
    }
}
