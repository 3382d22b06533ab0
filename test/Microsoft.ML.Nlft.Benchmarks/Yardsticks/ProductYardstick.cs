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
        var (workers, workspace) = (new Workers(threads), new Workspace());
        foreach (var (type, reach) in ((TensorType, double)[])[(TensorType.F32, 1.25), (TensorType.BF16, 1.1)])
            foreach (var shape in (Shape[])[Shape.Small, Shape.SmolLm2])
                foreach (var backward in (bool[])[false, true])
                {
                    double ours = 0, theirs = 0, flops = 0;
                    foreach (var m in (int[])[64, 128, 256, 512])
                        foreach (var (inputs, outputs) in ((int, int)[])[(shape.Hidden, shape.Hidden), (shape.Hidden, shape.Intermediate), (shape.Intermediate, shape.Hidden)])
                        {
                            var (k, n) = backward ? (outputs, inputs) : (inputs, outputs);
                            Matrix x = Matrix.Zeros(m, k), y = Matrix.Zeros(m, n);
                            var w = new float[inputs * outputs];
                            var stored = new byte[w.Length * (type == TensorType.F32 ? 4 : 2)];
                            var repeats = (int)Math.Max(1, 4e8 / (2.0 * m * n * k));
                            fixed (byte* mapped = stored)
                            {
                                var weight = new Operand(mapped, type, outputs, inputs);
                                void Ours() { for (var i = 0; i < repeats; i++) MatrixProduct.Multiply(workers, workspace, x, backward ? weight : weight.Transposed, y); }
                                void Theirs() { for (var i = 0; i < repeats; i++) rival.Multiply(m, n, k, x.Data, w, transposed: !backward, y.Data); }
                                Ours();
                                Theirs();
                                ours += MeasurementTable.Best(7, Ours) / repeats;
                                theirs += MeasurementTable.Best(7, Theirs) / repeats;
                                flops += 2.0 * m * n * k;
                            }
                        }
                    table.Add($"{shape.Name}, {(backward ? "dy W" : "x W^T")}, weights {type}, M 64-512",
                        Gigaflops(flops / ours), $"OpenBLAS sgemm {Gigaflops(flops / theirs)}", theirs / ours,
                        string.Create(CultureInfo.InvariantCulture, $"{reach}"), theirs / ours >= reach);
                }
        table.Save();
    }

    private static string Gigaflops(double perSecond) => string.Create(CultureInfo.InvariantCulture, $"{perSecond / 1e9:0} GFLOP/s");
}
