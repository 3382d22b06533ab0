using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// A trainable float32 tensor: its values and, unless the model is loaded for inference, the gradient that backward passes add to and the two
/// moments of AdamW.
/// </summary>
internal sealed class Parameter
{
    private readonly int _offset, _experts;

    public Parameter(string name, int[] shape, float[] values) : this(name, shape, 1, values, training: true) { }

    private Parameter(string name, int[] shape, int experts, float[] values, bool training)
        : this(name, shape, experts, 0, values, Zeros(values, training), Zeros(values, training), Zeros(values, training)) { }

    private Parameter(string name, int[] shape, int experts, int offset, float[] values, float[] gradient, float[] moment1, float[] moment2) =>
        (Name, Shape, _experts, _offset, Values, Gradient, Moment1, Moment2) = (name, shape, experts, offset, values, gradient, moment1, moment2);

    /// <summary>
    /// Creates a tensor of an adapter from a copy of its values. In memory the matrices out x r of the factor B of a stack of E experts,
    /// [out, r, E] in files, lie one below the other.
    /// </summary>
    /// <param name="name">The name of the tensor.</param>
    /// <param name="shape">Its shape in files.</param>
    /// <param name="stored">Its values in the order of files.</param>
    /// <param name="experts">E for the factor B of a stack, 1 for any other tensor.</param>
    /// <param name="training">Whether there are a gradient and moments.</param>
    public static Parameter Create(string name, int[] shape, float[] stored, int experts, bool training) =>
        experts == 1 ? new(name, shape, 1, [.. stored], training)
        : new(name, [shape[0] * experts, shape[1] / experts], experts, StackedFactor.ByExpert(stored, experts), training);

    private static float[] Zeros(float[] values, bool training) => new float[training ? values.Length : 0];

    public string Name { get; }

    /// <summary>The shape in memory.</summary>
    public int[] Shape { get; }

    /// <summary>The shape in files.</summary>
    public int[] StoredShape => _experts == 1 ? Shape : [Shape[0] / _experts, Shape[1] * _experts];

    public float[] Values { get; }
    public float[] Gradient { get; }
    public float[] Moment1 { get; }
    public float[] Moment2 { get; }

    /// <summary>Rows [row, row + rows) of a matrix: the parameter itself if that is all, else one that shares its arrays.</summary>
    public Parameter RowRange(int row, int rows) => row == 0 && rows == Shape[0] ? this
        : new(Name, [rows, Shape[1]], 1, _offset + row * Shape[1], Values, Gradient, Moment1, Moment2);

    /// <summary>Counts the changes of the values, so that what is computed from them can be kept until they change.</summary>
    public int Version { get; set; }

    /// <summary>One of the arrays as a matrix of the shape <see cref="Shape"/>.</summary>
    public Matrix AsMatrix(float[] array) => new(array, _offset, Shape[0], Shape[1], Shape[1]);

    /// <summary>Returns a copy of one of the arrays in the order of files.</summary>
    public float[] Export(float[] array) => _experts == 1 ? [.. array] : StackedFactor.InFile(array, _experts);

    /// <summary>Replaces one of the arrays by values in the order of files.</summary>
    public void Import(float[] array, float[] stored) => (_experts == 1 ? stored : StackedFactor.ByExpert(stored, _experts)).CopyTo(array, 0);
}
