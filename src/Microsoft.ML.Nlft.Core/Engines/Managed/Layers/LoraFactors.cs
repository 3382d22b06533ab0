using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// The LoRA factors of one layer (Hu et al., arXiv 2106.09685), A [r x in] and B [out x r]: y += scaling * drop(x) A^T B^T. The product with A^T
/// comes first and takes the scaling; the product with B^T is the second term of the layer's own product.
/// </summary>
internal sealed class LoraFactors
{
    private readonly ulong _key;
    private readonly double _dropout;
    private readonly float _scaling;

    public LoraFactors(string module, Parameter a, Parameter b, double scaling, double dropout) =>
        (A, B, _scaling, _dropout, _key) = (a, b, (float)scaling, dropout, DropoutMask.ModuleKey(module));

    public Parameter A { get; }
    public Parameter B { get; }

    private int Rank => A.Shape[0];

    /// <summary>Returns the second term of the layer's product, low B^T, with low = scaling * drop(x) A^T [N x r] in a rented matrix.</summary>
    public Term Term(EngineContext context, Matrix x)
    {
        var (low, dropped) = (context.Rent(x.Rows, Rank), Drop(context, x));
        context.Multiply(dropped, new Operand(A.AsMatrix(A.Values)).Transposed, low, _scaling);
        ReturnDropped(context, x, dropped);
        return new Term(low, new Operand(B.AsMatrix(B.Values)).Transposed);
    }

    /// <summary>
    /// With u = drop(x) A^T and g = scaling * dy B, computes dB += scaling * dy^T u and dA += g^T drop(x); unless <paramref name="dx"/> is null, also
    /// dx (+)= dy W + drop'(g A), where dy W is <paramref name="term"/>, the layer's own product.
    /// </summary>
    public void Backward(EngineContext context, Matrix x, Matrix dy, Term term, Matrix? dx, bool accumulate)
    {
        Matrix dropped = Drop(context, x), low = context.Rent(x.Rows, Rank), g = context.Rent(x.Rows, Rank), db = context.Rent(Rank, dy.Columns);
        context.Multiply(dropped, new Operand(A.AsMatrix(A.Values)).Transposed, low);
        context.Multiply(new Operand(low).Transposed, dy, db, _scaling); // dB^T, so that dy is read in whole cache lines
        AddTransposed(context, db, B.AsMatrix(B.Gradient));
        context.Multiply(dy, B.AsMatrix(B.Values), g, _scaling);
        context.Multiply(new Operand(g).Transposed, dropped, A.AsMatrix(A.Gradient), accumulate: true);
        if (dx is { } target)
        {
            var second = new Term(g, A.AsMatrix(A.Values));
            if (AppliesDropout(context))
            {
                context.Multiply(second.A, second.B, dropped); // overwrites what is no longer needed
                Dropout.Apply(context, _key, _dropout, dropped, dropped);
                MatrixProduct.Multiply(context.Workers, new Product(target, accumulate ? target : null, term));
                context.ForRows(target.Rows, (dropped, target), static (loop, row) => VectorMath.Add(loop.dropped[row], loop.target[row]));
            }
            else
            {
                MatrixProduct.Multiply(context.Workers, new Product(target, accumulate ? target : null, term, second));
            }
        }
        ReturnDropped(context, x, dropped);
        context.Return(low);
        context.Return(g);
        context.Return(db);
    }

    /// <summary>Computes target[n x r] += source[r x n]^T.</summary>
    private static void AddTransposed(EngineContext context, Matrix source, Matrix target) =>
        context.ForRows(target.Rows, (source, target), static (loop, row) =>
        {
            var sums = loop.target[row];
            for (var i = 0; i < sums.Length; i++) sums[i] += loop.source[i][row];
        });

    private bool AppliesDropout(EngineContext context) => context.Training && _dropout > 0;

    /// <summary>Returns drop(x): a rented matrix, or x itself without dropout.</summary>
    private Matrix Drop(EngineContext context, Matrix x)
    {
        if (!AppliesDropout(context)) return x;
        var dropped = context.Rent(x.Rows, x.Columns);
        Dropout.Apply(context, _key, _dropout, x, dropped);
        return dropped;
    }

    private static void ReturnDropped(EngineContext context, Matrix x, Matrix dropped)
    {
        if (!ReferenceEquals(x.Data, dropped.Data)) context.Return(dropped);
    }
}
