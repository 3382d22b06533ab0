using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// Operators of libtorch that TorchSharp does not wrap, each reached by a TorchScript function of its own, so that no fuser of TorchScript changes
/// them. Where libtorch does not compile one, several operators compute the same, and a warning is traced.
/// </summary>
internal sealed class FusedOperators : IDisposable
{
    // Fields: temporary scalars, such as a missing factor of a sum or the exponent of square(), could be collected during the native call.
    private readonly Scalar _epsilon, _two = 2;
    private readonly jit.CompilationUnit? _norm, _attention, _masked;

    /// <summary>Compiles the operators.</summary>
    /// <param name="epsilon">The epsilon of the norms.</param>
    /// <param name="compile">Compiles TorchScript; null: libtorch's own compiler.</param>
    public FusedOperators(double epsilon, Func<string, jit.CompilationUnit>? compile = null)
    {
        compile ??= jit.compile;
        _epsilon = epsilon; // in the text below as a constant: the scalars of arguments could be collected
        _norm = Compile(compile, "rms_norm", string.Create(CultureInfo.InvariantCulture, $"""
            def rms_norm(x, w):
                return torch.rms_norm(x, [x.size(-1)], w, {epsilon:E16})

            """));
        _attention = Compile(compile, "scaled_dot_product_attention", """
            def attention(q, k, v):
                return torch.scaled_dot_product_attention(q, k, v, None, 0.0, True, scale=None, enable_gqa=True)

            """);
        _masked = Compile(compile, "scaled_dot_product_attention", """
            def attention(q, k, v, mask):
                return torch.scaled_dot_product_attention(q, k, v, mask, 0.0, False, scale=None, enable_gqa=True)

            """);
    }

    /// <summary>Computes x / sqrt(mean(x^2) + epsilon) * w over the last dimension; the mean in float32, whatever the type.</summary>
    public Tensor RmsNorm(Tensor x, Tensor w) => _norm is not null ? (Tensor)_norm.invoke("rms_norm", x, w)
        : (x * InverseRoot(x)).to_type(x.dtype) * w;

    /// <summary>Computes 1 / sqrt(mean(x^2) + epsilon) over the last dimension in float32.</summary>
    public Tensor InverseRoot(Tensor x) => x.pow(_two).mean([-1], keepdim: true, type: ScalarType.Float32).Plus(_epsilon).rsqrt();

    /// <summary>
    /// Computes o[B, heads, n, d] from q[B, heads, n, d] and k, v[B, kvHeads, T, d]: with a mask, true where a query sees a key; without one, query i
    /// sees the keys up to i.
    /// </summary>
    public Tensor Attention(Tensor q, Tensor k, Tensor v, Tensor? mask = null)
    {
        if (mask is null && _attention is not null) return (Tensor)_attention.invoke("attention", q, k, v);
        if (mask is not null && _masked is not null) return (Tensor)_masked.invoke("attention", q, k, v, mask);
        var group = q.shape[1] / k.shape[1];
        if (group > 1) (k, v) = (k.repeat_interleave(group, 1), v.repeat_interleave(group, 1));
        return functional.scaled_dot_product_attention(q, k, v, mask, is_casual: mask is null);
    }

    public void Dispose()
    {
        _norm?.Dispose();
        _attention?.Dispose();
        _masked?.Dispose();
    }

    private static jit.CompilationUnit? Compile(Func<string, jit.CompilationUnit> compile, string name, string script)
    {
        try
        {
            return compile(script);
        }
        catch (ExternalException e)
        {
            Trace.TraceWarning($"libtorch does not compile {name}; several operators take its place: {e.Message}");
            return null;
        }
    }
}
