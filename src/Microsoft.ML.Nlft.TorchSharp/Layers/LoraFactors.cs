using Microsoft.ML.Nlft.Engines;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// The LoRA factors of one layer (Hu et al., arXiv 2106.09685), A [r, in] and B [out, r]: float32, multiplied in the compute type. With magnitudes m
/// (DoRA, Liu et al., arXiv 2402.09353, equation 5) the products with W and with the factors are multiplied by m / n, n the norm of each row of
/// W + scaling * B A, taken as a constant by the backward pass (section 4.3); a bias b of B adds scaling * b.
/// </summary>
/// <param name="number">The number of the module among the adapted ones.</param>
/// <param name="store">The store of the parameters, which counts their changes.</param>
/// <param name="a">A.</param>
/// <param name="b">B.</param>
/// <param name="scaling">The factor on the product.</param>
/// <param name="dropout">The probability of dropout, 0 for none.</param>
internal sealed class LoraFactors(int number, ParameterStore store, Parameter a, Parameter b, double scaling, double dropout) : IDisposable
{
    // Fields: temporary scalars could be collected during the native call.
    private readonly Scalar _threshold = DropoutMask.Threshold(dropout), _scaling = scaling, _trainingScaling = scaling / (1 - dropout);
    private readonly Scalar _smallestNorm = 1e-15; // a row of zeros stays zero
    private Tensor? _norms; // n, of the values of this version
    private int _version;

    public Parameter A { get; } = a;
    public Parameter B { get; } = b;

    /// <summary>m [out], or null.</summary>
    public Parameter? Magnitude { get; init; }

    /// <summary>b [out], or null.</summary>
    public Parameter? Bias { get; init; }

    /// <summary>Whether there are A and B alone.</summary>
    public bool IsPlain => Magnitude is null && Bias is null;

    /// <summary>
    /// Returns y, to which scaling * dropout(x) A^T B^T was added; the factor 1 / (1 - p) of dropout is part of the scaling. With more than A and B,
    /// y is x W^T, and the result includes the layer's bias.
    /// </summary>
    public Tensor AddTo(PassContext context, Linear layer, Tensor x, Tensor y, Tensor? rows)
    {
        y.addmm_(Product(context, x, rows), B.Copy.t(), 1, (float)Scaling(context));
        if (IsPlain) return y;
        if (Magnitude is not null) y = y * (Magnitude.Values / Norms(layer.Weight)).to_type(x.dtype);
        if (Bias is not null) y = y.add(Bias.Values.to_type(x.dtype), alpha: _scaling);
        return layer.Bias is null ? y : y.Plus(layer.Bias.Values);
    }

    /// <summary>Returns scaling * dropout(x) A^T, of which the product with B^T is the adapter's share.</summary>
    public Tensor Low(PassContext context, Tensor x, Tensor? rows) =>
        Product(context, x, rows) * (context.Dropout is null ? _scaling : _trainingScaling);

    /// <summary>
    /// Adds the gradients of A and B and, with the mask M of dropout, the adapter's share of dx: with low = (M x) A^T and dlow = dy B,
    /// dB += scaling * dy^T low, dA += scaling * dlow^T (M x), dx += scaling * M (dlow A). Low and the mask are computed once more.
    /// </summary>
    public void Backward(PassContext context, Tensor x, Tensor dy, Tensor? dx, Tensor? rows)
    {
        var mask = Mask(context, x, rows);
        var kept = mask is null ? x : x * mask;
        var (factor, dlow) = ((float)Scaling(context), dy.mm(B.Copy));
        B.Sum.addmm_(dy.t(), kept.mm(A.Copy.t()), 1, factor);
        A.Sum.addmm_(dlow.t(), kept, 1, factor);
        if (mask is null) dx?.addmm_(dlow, A.Copy, 1, factor);
        else dx?.addcmul_(dlow.mm(A.Copy), mask, _trainingScaling);
    }

    private Tensor Product(PassContext context, Tensor x, Tensor? rows) =>
        (Mask(context, x, rows) is { } mask ? x * mask : x).mm(A.Copy.t());

    private Tensor? Mask(PassContext context, Tensor x, Tensor? rows) => context.Dropout?.Mask(number, _threshold, x.shape[1], rows);

    private double Scaling(PassContext context) => context.Dropout is null ? scaling : scaling / (1 - dropout);

    public void Dispose() => _norms?.Dispose();

    /// <summary>Returns n in float32, computed anew when the parameters have changed.</summary>
    private Tensor Norms(Weight weight)
    {
        if (_norms is not null && _version == store.Version) return _norms;
        _norms?.Dispose();
        using var scope = NewDisposeScope();
        using var off = no_grad();
        var w = weight.Values.to_type(float32);
        if (weight.Scales is not null) w = w * weight.Scales.to_type(float32).unsqueeze(1);
        _norms = w.add(B.Values.mm(A.Values), alpha: _scaling).norm(1).clamp_min(_smallestNorm).DetachFromDisposeScope();
        _version = store.Version;
        return _norms;
    }
}
