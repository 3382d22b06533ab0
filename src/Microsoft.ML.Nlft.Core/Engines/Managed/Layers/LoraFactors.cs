using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// The two factors of one adapted layer, A [r x in] and B [out x r], trainable or not: y += scaling * drop(x) A^T B^T. The product with the rank r
/// comes first and takes the scaling; the other one is a second term of the layer's own product.
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

    /// <summary>What is added to the layer's product: low B^T with low = scaling * drop(x) A^T [N x r], which is rented.</summary>
    public Term Term(EngineContext context, Matrix x)
    {
        var (low, dropped) = (context.Rent(x.Rows, Rank), Drop(context, x));
        context.Multiply(dropped, new Operand(A.AsMatrix(A.Values)).Transposed, low, _scaling);
        Free(context, x, dropped);
        return new Term(low, new Operand(B.AsMatrix(B.Values)).Transposed);
    }

    /// <summary>
    /// With u = drop(x) A^T and g = scaling * dy B: dB += scaling * dy^T u, dA += g^T drop(x), and, unless <paramref name="dx"/> is null,
    /// dx (+)= <paramref name="own"/> + drop'(g A), the layer's own product and the adapter's.
    /// </summary>
    public void Backward(EngineContext context, Matrix x, Matrix dy, Term own, Matrix? dx, bool accumulate)
    {
        Matrix dropped = Drop(context, x), low = context.Rent(x.Rows, Rank), g = context.Rent(x.Rows, Rank), db = context.Rent(Rank, dy.Columns);
        context.Multiply(dropped, new Operand(A.AsMatrix(A.Values)).Transposed, low);
        context.Multiply(new Operand(low).Transposed, dy, db, _scaling); // transposed: dy goes by in whole cache lines
        AddTransposed(context, db, B.AsMatrix(B.Gradient));
        context.Multiply(dy, B.AsMatrix(B.Values), g, _scaling);
        context.Multiply(new Operand(g).Transposed, dropped, A.AsMatrix(A.Gradient), accumulate: true);
        if (dx is { } target)
        {
            var through = new Term(g, A.AsMatrix(A.Values));
            if (Drops(context))
            {
                context.Multiply(through.A, through.B, dropped); // its values are no longer needed
                Dropout.Apply(context, _key, _dropout, dropped, dropped);
                MatrixProduct.Multiply(context.Workers, new Product(target, accumulate ? target : null, own));
                context.ForRows(target.Rows, (dropped, target), static (work, row) => VectorMath.Add(work.dropped[row], work.target[row]));
            }
            else MatrixProduct.Multiply(context.Workers, new Product(target, accumulate ? target : null, own, through));
        }
        Free(context, x, dropped);
        context.Return(low);
        context.Return(g);
        context.Return(db);
    }

    /// <summary>target[n x r] += source[r x n]^T.</summary>
    private static void AddTransposed(EngineContext context, Matrix source, Matrix target) => context.ForRows(target.Rows, (source, target), static (work, row) =>
    {
        var sums = work.target[row];
        for (var i = 0; i < sums.Length; i++) sums[i] += work.source[i][row];
    });

    private bool Drops(EngineContext context) => context.Training && _dropout > 0;

    private Matrix Drop(EngineContext context, Matrix x)
    {
        if (!Drops(context)) return x;
        var dropped = context.Rent(x.Rows, x.Columns);
        Dropout.Apply(context, _key, _dropout, x, dropped);
        return dropped;
    }

    private static void Free(EngineContext context, Matrix x, Matrix dropped)
    {
        if (!ReferenceEquals(x.Data, dropped.Data)) context.Return(dropped);
    }
}
