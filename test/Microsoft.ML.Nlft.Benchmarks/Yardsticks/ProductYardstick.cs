using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.Models;

namespace Microsoft.ML.Nlft.Benchmarks.Yardsticks;

/// <summary>Matrix products of the training shapes, forward (x W^T) and backward (dy W), beside OpenBLAS in the same run.</summary>
internal static class ProductYardstick
{
    public static unsafe void Run(int threads, string artifacts)
    {
        var table = new MeasurementTable("Products of matrices", artifacts);
        if (OpenBlas.TryLoad(threads) is not { } rival)
        {
            MeasurementTable.Skip("OpenBLAS", "libopenblas0-pthread");
            return;
        }
        var (workers, workspace, random) = (new Workers(threads), new Workspace(), new Random(1));
        foreach (var (type, reach) in ((TensorType, double)[])[(TensorType.F32, 1.25), (TensorType.BF16, 1.1)])
            foreach (var shape in (Shape[])[Shape.Small, Shape.SmolLm2])
                foreach (var backward in (bool[])[false, true])
                {
                    double ours = 0, theirs = 0, flops = 0;
                    foreach (var m in (int[])[64, 128, 256, 512])
                        foreach (var (inputs, outputs) in ((int, int)[])[(shape.Hidden, shape.Hidden), (shape.Hidden, shape.Intermediate), (shape.Intermediate, shape.Hidden)])
                        {
                            var (k, n) = backward ? (outputs, inputs) : (inputs, outputs);
                            Matrix x = workspace.Rent(m, k), y = workspace.Rent(m, n);
                            var (w, stored) = (new float[inputs * outputs], new byte[inputs * outputs * type.ByteSize()]);
                            foreach (var values in (float[][])[x.Data, w]) // written to: untouched pages are all one page of zeros
                                foreach (ref var value in values.AsSpan()) value = random.NextSingle() - 0.5f;
                            TensorConversion.FromSingle(type, w, stored);
                            var repeats = (int)Math.Max(1, 4e8 / (2.0 * m * n * k));
                            fixed (byte* mapped = stored)
                            {
                                var weight = new Operand(mapped, type, outputs, inputs);
                                void Ours() { for (var i = 0; i < repeats; i++) MatrixProduct.Multiply(workers, x, backward ? weight : weight.Transposed, y); }
                                void Theirs() { for (var i = 0; i < repeats; i++) rival.Multiply(m, n, k, x.Span, w, transposed: !backward, y.Span); }
                                double our = Settled(Ours) / repeats, their = Settled(Theirs) / repeats;
                                if (Environment.GetEnvironmentVariable("DETAIL") is not null) Console.WriteLine($"{type} {shape.Name} m{m} k{k} n{n} {(backward ? "dyW" : "xWt")}: {Gigaflops(2.0 * m * n * k / our)} {Gigaflops(2.0 * m * n * k / their)}");
                                ours += our;
                                theirs += their;
                                flops += 2.0 * m * n * k;
                            }
                        }
                    table.Add($"{shape.Name}, {(backward ? "dy W" : "x W^T")}, weights {type}, M 64-512",
                        Gigaflops(flops / ours), $"OpenBLAS sgemm {Gigaflops(flops / theirs)}", theirs / ours,
                        string.Create(CultureInfo.InvariantCulture, $"{reach}"), theirs / ours >= reach);
                }
        table.Save();
    }

    /// <summary>
    /// The shortest of several timings, after the threads of the other side, which go on spinning for a while after their work, have gone to
    /// sleep and the code has been compiled.
    /// </summary>
    private static double Settled(Action action)
    {
        Thread.Sleep(100);
        for (var start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start) < TimeSpan.FromMilliseconds(200);) action();
        return MeasurementTable.Best(15, action);
    }

    private static string Gigaflops(double perSecond) => string.Create(CultureInfo.InvariantCulture, $"{perSecond / 1e9:0} GFLOP/s");
}
