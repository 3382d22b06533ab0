using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Benchmarks.Yardsticks;

/// <summary>Matrix products of the shapes in training, forward (x W^T) and backward (dy W), compared with OpenBLAS in the same run.</summary>
internal static class ProductYardstick
{
    private static readonly (TensorType Type, double Target)[] Types = [(TensorType.F32, 1.25), (TensorType.BF16, 1.1), (TensorType.I8, 1.0)];

    public static void Run(int threads, string artifacts)
    {
        var table = new MeasurementTable("Products of matrices", artifacts);
        if (OpenBlas.TryLoad(threads) is not { } openBlas)
        {
            MeasurementTable.Skip("OpenBLAS", "libopenblas0-pthread");
            return;
        }
        var (workers, workspace) = (new Workers(threads), new Workspace());
        var ceiling = Ceiling(workers);
        Console.WriteLine($"\nThe tile kernel on data in the first-level cache, all threads: {Gigaflops(ceiling)}. "
            + "No product can be faster than that.");
        foreach (var shape in (Shape[])[Shape.Small, Shape.SmolLm2])
        {
            foreach (var backward in (bool[])[false, true])
            {
                var (ours, theirs, flops) = Measure(shape, backward, openBlas, workers, workspace);
                for (var t = 0; t < Types.Length; t++)
                {
                    var possible = string.Create(CultureInfo.InvariantCulture, $"{ceiling / (flops / theirs):0.00}");
                    table.Add($"{shape.Name}, {(backward ? "dy W" : "x W^T")}, weights {Types[t].Type}, M 64-512", Gigaflops(flops / ours[t]),
                        $"OpenBLAS sgemm ({openBlas.Core}) {Gigaflops(flops / theirs)}, at most {possible} possible", theirs / ours[t],
                        string.Create(CultureInfo.InvariantCulture, $"{Types[t].Target}"), theirs / ours[t] >= Types[t].Target);
                }
            }
        }
        table.Save();
    }

    /// <summary>Seconds of all products of a shape, ours by type and those of OpenBLAS, and their floating-point operations.</summary>
    private static (double[] Ours, double Theirs, double Flops) Measure(Shape shape, bool backward, OpenBlas openBlas, Workers workers,
        Workspace workspace)
    {
        var random = new Random(1);
        var ours = new double[Types.Length];
        double theirs = 0, flops = 0;
        (int Inputs, int Outputs)[] layers = [(shape.Hidden, shape.Hidden), (shape.Hidden, shape.Intermediate), (shape.Intermediate, shape.Hidden)];
        foreach (var m in (int[])[64, 128, 256, 512])
        {
            foreach (var (inputs, outputs) in layers)
            {
                var (k, n) = backward ? (outputs, inputs) : (inputs, outputs);
                Matrix x = workspace.Rent(m, k), y = workspace.Rent(m, n), w = workspace.Rent(outputs, inputs);
                foreach (var matrix in (Matrix[])[x, w]) // written, because untouched pages all map to one page of zeros
                {
                    foreach (ref var value in matrix.Span) value = random.NextSingle() - 0.5f;
                }
                var repeats = (int)Math.Max(1, 4e8 / (2.0 * m * n * k));
                theirs += Settled(() =>
                {
                    for (var i = 0; i < repeats; i++) openBlas.Multiply(m, n, k, x.Span, w.Span, transposed: !backward, y.Span);
                }) / repeats;
                for (var t = 0; t < Types.Length; t++)
                {
                    using var weight = PackedWeight.Create(Types[t].Type, outputs, inputs, (row, target) => w[row].CopyTo(target), Panel.Width);
                    var right = backward ? new Operand(weight) : new Operand(weight).Transposed;
                    ours[t] += Settled(() =>
                    {
                        for (var i = 0; i < repeats; i++) MatrixProduct.Multiply(workers, x, right, y);
                    }) / repeats;
                }
                flops += 2.0 * m * n * k;
                foreach (var matrix in (Matrix[])[x, y, w]) workspace.Return(matrix);
            }
        }
        return (ours, theirs, flops);
    }

    /// <summary>Returns the floating-point operations per second of full tiles on panels in the first-level cache, on all threads.</summary>
    public static double Ceiling(Workers workers)
    {
        var operations = 0.0;
        var seconds = Settled(() => operations = RunTiles(workers), rounds: 400); // some seconds, because whatever ran before may still be ending
        return operations / seconds;
    }

    /// <summary>Computes full tiles on panels in the first-level cache for some milliseconds; returns the floating-point operations.</summary>
    public static unsafe double RunTiles(Workers workers)
    {
        const int Depth = 192, Times = 20_000;
        [MethodImpl(MethodImplOptions.AggressiveOptimization)] // optimized at once, without tiering
        static void Run(Workers workers, int _)
        {
            var wide = Vector512.IsHardwareAccelerated;
            var (rows, columns) = wide ? (Tile512.Rows, Tile512.Columns) : (Tile256.Rows, Tile256.Columns);
            float* panel = workers.Scratch((columns + rows) * Depth + rows * columns), a = panel + columns * Depth, c = a + rows * Depth;
            new Span<float>(panel, (columns + rows) * Depth).Fill(1e-3f);
            var product = new PanelProduct
            {
                Rows = rows, A = new StridedMatrix(a, Depth, 1, Depth), B = (byte*)panel, C = c, CRow = columns, Alpha = 1,
            };
            for (var i = 0; i < Times; i++)
            {
                if (wide) Tile512.Multiply<Rows12, WholeWidth, Float32>(product, 0);
                else Tile256.Multiply<Rows6, WholeWidth, Float32>(product, 0);
            }
        }
        workers.For(workers.Threads, workers, Run);
        var tile = Vector512.IsHardwareAccelerated ? Tile512.Rows * Tile512.Columns : Tile256.Rows * Tile256.Columns;
        return 2.0 * Depth * Times * workers.Threads * tile;
    }

    /// <summary>
    /// Returns the shortest of several timings, taken after the code is compiled and after the threads of the other library, which keep spinning for
    /// a while after their work, have gone to sleep.
    /// </summary>
    private static double Settled(Action action, int rounds = 15)
    {
        Thread.Sleep(100);
        for (var start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start) < TimeSpan.FromMilliseconds(100);) action();
        return MeasurementTable.Best(rounds, action);
    }

    private static string Gigaflops(double perSecond) => string.Create(CultureInfo.InvariantCulture, $"{perSecond / 1e9:0} GFLOP/s");
}
