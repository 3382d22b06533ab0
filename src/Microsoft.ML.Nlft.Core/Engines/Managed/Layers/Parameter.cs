using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>A trainable float32 tensor: its values, the gradient that backward passes add to, and the two moments of AdamW.</summary>
internal sealed class Parameter
{
    private readonly int _offset, _experts;

    public Parameter(string name, int[] shape, float[] values)
        : this(name, shape, 1, 0, values, new float[values.Length], new float[values.Length], new float[values.Length]) { }

    private Parameter(string name, int[] shape, int experts, int offset, float[] values, float[] gradient, float[] moment1, float[] moment2) =>
        (Name, Shape, _experts, _offset, Values, Gradient, Moment1, Moment2) = (name, shape, experts, offset, values, gradient, moment1, moment2);

    /// <summary>
    /// Creates the factor B of a stack of E experts from the values of an adapter, [out, r, E]: in memory the matrices of the experts, out x r, lie
    /// one below the other.
    /// </summary>
    public static Parameter Stacked(NamedTensor factor, int experts)
    {
        var values = StackedFactor.ByExpert(factor.Values, experts);
        return new(factor.Name, [factor.Shape[0] * experts, factor.Shape[1] / experts], experts, 0, values, new float[values.Length],
            new float[values.Length], new float[values.Length]);
    }

    public string Name { get; }

    /// <summary>The shape in memory.</summary>
    public int[] Shape { get; }

    /// <summary>The shape in files.</summary>
    public int[] StoredShape => _experts == 1 ? Shape : [Shape[0] / _experts, Shape[1] * _experts];

    public float[] Values { get; }
    public float[] Gradient { get; }
    public float[] Moment1 { get; }
    public float[] Moment2 { get; }

    /// <summary>Rows [row, row + rows) of a matrix, as a parameter that shares its arrays.</summary>
    public Parameter RowRange(int row, int rows) =>
        new(Name, [rows, Shape[1]], 1, _offset + row * Shape[1], Values, Gradient, Moment1, Moment2);

    /// <summary>One of the arrays as a matrix of the shape <see cref="Shape"/>.</summary>
    public Matrix AsMatrix(float[] array) => new(array, _offset, Shape[0], Shape[1], Shape[1]);

    /// <summary>Returns a copy of one of the arrays in the order of files.</summary>
    public float[] Export(float[] array) => _experts == 1 ? [.. array] : StackedFactor.InFile(array, _experts);

    /// <summary>Replaces one of the arrays by values in the order of files.</summary>
    public void Import(float[] array, float[] stored) => (_experts == 1 ? stored : StackedFactor.ByExpert(stored, _experts)).CopyTo(array, 0);
}
