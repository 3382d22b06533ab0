using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Microsoft.ML.Nlft;
using Microsoft.ML.Nlft.Gpu;

// Measures a natural-language fine-tuning step of a model with random weights, each mode in a process of its own, and prints one table.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
try
{
    var work = Workload.Parse(args);
    if (work.Only is not null)
    {
        Console.WriteLine(Measurement.Prefix + JsonSerializer.Serialize(Measurement.Take(work)));
        return 0;
    }
    RandomModel.Write(work);
    Console.WriteLine($"{work.Shape} on {work.Device}: {work.Rows} rows of {work.Prompt}+{work.Response} tokens, judge and standard +{work.Extra}; " +
        $"{work.TokensPerStep} tokens and {work.Operations / 1e12:0.###} T operations a step");
    Console.WriteLine($"{"mode",-18} {"s/step",9} {"tokens/s",10} {"TFLOP/s",9} {"product",9} {"use",6} {"peak GiB",9}");
    var failed = false;
    foreach (var mode in work.Modes)
    {
        var (measured, complaint) = RunAlone(mode);
        failed |= measured is null;
        if (measured is null) Console.WriteLine($"{mode,-18} not measured: {complaint}");
        else Console.WriteLine($"{mode,-18} {measured.SecondsPerStep,9:0.0000} {work.TokensPerStep / measured.SecondsPerStep,10:0} " +
            $"{work.Operations / measured.SecondsPerStep / 1e12,9:0.000} {measured.ProductRate / 1e12,9:0.000} " +
            $"{work.Operations / measured.SecondsPerStep / measured.ProductRate,6:0.0 %} {measured.PeakBytes / (double)(1 << 30),9:0.00}");
    }
    Console.WriteLine("product: the measured rate of large matrix products in the mode's type; use: the step's rate as a share of it.");
    return failed ? 1 : 0;

    (Measurement?, string) RunAlone(string mode)
    {
        var start = mode.StartsWith("pytorch-", StringComparison.Ordinal)
            ? new ProcessStartInfo("python3", [Path.Combine(AppContext.BaseDirectory, "pytorch_step.py"), Path.Combine(work.Folder, work.Shape, "config.json"), work.Device,
                mode["pytorch-".Length..], $"{work.Rows}", $"{work.Prompt}", $"{work.Extra}", $"{work.Response}", $"{work.Steps}"])
            : new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, typeof(Workload).Assembly.GetName().Name + (OperatingSystem.IsWindows() ? ".exe" : "")), [.. args, "--only", mode]);
        (start.RedirectStandardOutput, start.RedirectStandardError) = (true, true);
        start.Environment["OMP_WAIT_POLICY"] = "passive"; // spinning threads cost a factor of two where cores are few
        try
        {
            using var process = Process.Start(start)!;
            var errors = process.StandardError.ReadToEndAsync();
            var lines = process.StandardOutput.ReadToEnd().Split('\n');
            process.WaitForExit();
            var row = lines.FirstOrDefault(line => line.StartsWith(Measurement.Prefix, StringComparison.Ordinal));
            return row is null ? (null, errors.Result.Trim().Split('\n')[^1]) : (JsonSerializer.Deserialize<Measurement>(row[Measurement.Prefix.Length..]), "");
        }
        catch (System.ComponentModel.Win32Exception exception)
        {
            return (null, exception.Message);
        }
    }
}
catch (Exception exception) when (exception is NlftException or ArgumentException)
{
    Console.Error.WriteLine(exception.Message);
    return 2;
}
