using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// A trainable float32 tensor: its values and, unless the model is loaded for inference, the gradient that backward passes add to and the two
/// moments of AdamW.
/// </summary>
internal sealed class Parameter(string name, int[] shape, float[] values, bool training = true)
{
    public string Name { get; } = name;
    public int[] Shape { get; } = shape;
    public float[] Values { get; } = values;
    public float[] Gradient { get; } = new float[training ? values.Length : 0];
    public float[] Moment1 { get; } = new float[training ? values.Length : 0];
    public float[] Moment2 { get; } = new float[training ? values.Length : 0];

    /// <summary>Counts the changes of the values, so that what is computed from them can be kept until they change.</summary>
    public int Version { get; set; }

    /// <summary>One of the arrays as a matrix of the shape <see cref="Shape"/>.</summary>
    public Matrix AsMatrix(float[] array) => new(array, Shape[0], Shape[1]);
}
