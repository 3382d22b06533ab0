using BenchmarkDotNet.Attributes;
using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Benchmarks;

/// <summary>
/// The products of one layer of a 135 M model by the type of its weights: training on 300 tokens, forward and backward, and decoding.
/// </summary>
public class KernelBenchmarks
{
    private const int Hidden = 576, Intermediate = 1536, Tokens = 300;

    private readonly Workers _workers = new(Environment.ProcessorCount);
    private readonly Workspace _workspace = new();
    private PackedWeight _weight = null!;
    private Matrix _x, _y, _dx;

    /// <summary>The type of the weights.</summary>
    [Params(TensorType.F32, TensorType.BF16, TensorType.I8)]
    public TensorType Type { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        var random = new Random(1);
        var w = _workspace.Rent(Intermediate, Hidden);
        (_x, _y, _dx) = (_workspace.Rent(Tokens, Hidden), _workspace.Rent(Tokens, Intermediate), _workspace.Rent(Tokens, Hidden));
        foreach (var matrix in (Matrix[])[w, _x, _y])
        {
            foreach (ref var value in matrix.Span) value = random.NextSingle() - 0.5f;
        }
        _weight = PackedWeight.Create(Type, Intermediate, Hidden, (row, target) => w[row].CopyTo(target), Panel.Width);
    }

    [GlobalCleanup]
    public void Cleanup() => _weight.Dispose();

    /// <summary>y = x W^T, 300 rows.</summary>
    [Benchmark]
    public void Forward() => MatrixProduct.Multiply(_workers, _x, new Operand(_weight).Transposed, _y);

    /// <summary>dx = dy W, 300 rows.</summary>
    [Benchmark]
    public void Backward() => MatrixProduct.Multiply(_workers, _y, new Operand(_weight), _dx);

    /// <summary>y = x W^T, one row.</summary>
    [Benchmark]
    public void DecodeOne() => MatrixProduct.Multiply(_workers, _x.RowRange(0, 1), new Operand(_weight).Transposed, _y.RowRange(0, 1));

    /// <summary>y = x W^T, sixteen rows.</summary>
    [Benchmark]
    public void DecodeSixteen() => MatrixProduct.Multiply(_workers, _x.RowRange(0, 16), new Operand(_weight).Transposed, _y.RowRange(0, 16));
}
