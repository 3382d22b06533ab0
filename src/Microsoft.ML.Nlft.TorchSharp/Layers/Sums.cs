namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// Sums of tensors. TorchSharp's own operators pass a temporary scalar, the factor 1 of the second tensor, which the garbage collector may free
/// during the native call; this one is kept.
/// </summary>
internal static class Sums
{
    private static readonly Scalar s_one = 1;

    /// <summary>Returns x + y.</summary>
    public static Tensor Plus(this Tensor x, Tensor y) => x.add(y, alpha: s_one);

    /// <summary>Returns x + y for a scalar that is kept during the call.</summary>
    public static Tensor Plus(this Tensor x, Scalar y) => x.add(y, alpha: s_one);

    /// <summary>Adds y to x.</summary>
    public static void Add(this Tensor x, Tensor y) => x.add_(y, alpha: s_one);

    /// <summary>Returns x, to which y z was added element by element.</summary>
    public static Tensor AddProduct(this Tensor x, Tensor y, Tensor z) => x.addcmul_(y, z, s_one);
}
