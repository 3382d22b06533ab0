using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// The LoRA factors of one layer (Hu et al., arXiv 2106.09685), A [r x in] and B [out x r]: y += scaling * drop(x) A^T B^T. The product with A^T
/// comes first and takes the scaling; the product with B^T is the second term of the layer's own product. With magnitudes m (DoRA, Liu et al.,
/// arXiv 2402.09353, equation 5) the sum of both terms is multiplied by m / n, n the norm of each row of W + scaling * B A, taken as a constant by
/// the backward pass (section 4.3). A bias b of B adds scaling * b.
/// </summary>
internal sealed class LoraFactors
{
    private const double SmallestSquare = 1e-30; // of a norm: a row of zeros stays zero

    private readonly Dropout? _dropout;
    private readonly float _scaling;
    private double[]? _squares; // the squared norms of W's rows
    private float[]? _norms; // n, of the values of A and B of this version
    private int _version;

    public LoraFactors(string module, Parameter a, Parameter b, double scaling, double dropout) =>
        (A, B, _scaling, _dropout) = (a, b, (float)scaling, dropout > 0 ? new Dropout(module, dropout, a.Shape[1]) : null);

    public Parameter A { get; }
    public Parameter B { get; }

    /// <summary>m [out], or null.</summary>
    public Parameter? Magnitude { get; init; }

    /// <summary>b [out], or null.</summary>
    public Parameter? Bias { get; init; }

    /// <summary>Whether there are A and B alone.</summary>
    public bool IsPlain => Magnitude is null && Bias is null;

    public int Rank => A.Shape[0];

    /// <summary>Returns the second term of the layer's product, low B^T, with <see cref="Low"/> in a rented matrix.</summary>
    public Term Term(EngineContext context, Matrix x) => new(Low(context, x), new Operand(B.AsMatrix(B.Values)).Transposed);

    /// <summary>Returns low = scaling * drop(x) A^T [N x r] in a rented matrix.</summary>
    public Matrix Low(EngineContext context, Matrix x)
    {
        var (low, dropped) = (context.Rent(x.Rows, Rank), Drop(context, x));
        context.Multiply(dropped, new Operand(A.AsMatrix(A.Values)).Transposed, low, _scaling);
        ReturnDropped(context, x, dropped);
        return low;
    }

    /// <summary>Given the gradient of <see cref="Low"/>, computes dA += scaling * gradient^T drop(x) and dx += scaling * drop'(gradient A).</summary>
    public void LowBackward(EngineContext context, Matrix x, Matrix gradient, Matrix dx)
    {
        Matrix dropped = Drop(context, x), change = context.Rent(x.Rows, x.Columns);
        context.Multiply(new Operand(gradient).Transposed, dropped, A.AsMatrix(A.Gradient), _scaling, accumulate: true);
        context.Multiply(gradient, A.AsMatrix(A.Values), change, _scaling);
        if (DropoutOf(context) is { } dropout) dropout.Apply(context, change, change);
        context.ForRows(dx.Rows, (change, dx), static (loop, row) => VectorMath.Add(loop.change[row], loop.dx[row]));
        ReturnDropped(context, x, dropped);
        context.Return(change);
    }

    /// <summary>Computes y = (m / n) y + bias + scaling * b + residual from the sum of the layer's terms in y.</summary>
    public void Finish(EngineContext context, Weight weight, Weight? bias, Matrix y, Matrix? residual)
    {
        var scales = Magnitude is null ? (Matrix?)null : Scales(context, weight);
        context.ForRows(y.Rows, (y, scales, bias, Bias, _scaling, residual), static (loop, row) =>
        {
            var values = loop.y[row];
            if (loop.scales is { } scales) VectorMath.Multiply(values, scales[0], 1, values);
            if (loop.bias is not null) VectorMath.Add(loop.bias.Vector, values);
            if (loop.Bias is not null) VectorMath.AddScaled(loop.Bias.Values, loop._scaling, values);
            if (loop.residual is { } residual) VectorMath.Add(residual[row], values);
        });
        if (scales is { } rented) context.Return(rented);
    }

    /// <summary>
    /// Adds to the gradients of b, scaling * dy, and of m, dy * (sum of the layer's terms) / n. Returns the gradient of that sum: (m / n) dy in a
    /// rented matrix, or dy itself without magnitudes.
    /// </summary>
    public Matrix FinishBackward(EngineContext context, Weight weight, Matrix x, Matrix dy)
    {
        if (Bias is not null)
        {
            for (var row = 0; row < dy.Rows; row++) VectorMath.AddScaled(dy[row], _scaling, Bias.Gradient);
        }
        if (Magnitude is null) return dy;
        Matrix sum = context.Rent(dy.Rows, dy.Columns), total = context.Rent(1, dy.Columns);
        var second = Term(context, x);
        MatrixProduct.Multiply(context.Workers, new Product(sum, null, new Term(x, weight.Operand.Transposed), second));
        context.Return(second.A.Matrix!.Value);
        total.Clear();
        for (var row = 0; row < dy.Rows; row++) VectorMath.Multiply(dy[row], sum[row], 1, total[0], accumulate: true);
        var norms = Norms(context, weight);
        for (var i = 0; i < norms.Length; i++) Magnitude.Gradient[i] += total[0][i] / norms[i];
        var scales = Scales(context, weight);
        context.ForRows(dy.Rows, (dy, scales, sum), static (loop, row) => VectorMath.Multiply(loop.dy[row], loop.scales[0], 1, loop.sum[row]));
        context.Return(scales);
        context.Return(total);
        return sum;
    }

    /// <summary>Returns m / n in a rented row.</summary>
    private Matrix Scales(EngineContext context, Weight weight)
    {
        var (norms, scales) = (Norms(context, weight), context.Rent(1, weight.Rows));
        for (var i = 0; i < norms.Length; i++) scales[0][i] = Magnitude!.Values[i] / norms[i];
        return scales;
    }

    /// <summary>
    /// Returns n, computed anew when A or B have changed: with P = A W^T + (s / 2) A A^T B^T, the squared norm of row o of W + s B A is
    /// |W_o|^2 + 2 s B_o P_o.
    /// </summary>
    private float[] Norms(EngineContext context, Weight weight)
    {
        if (_norms is not null && _version == A.Version + B.Version) return _norms;
        _squares ??= weight.SquaredNorms();
        _norms ??= new float[_squares.Length];
        Matrix a = A.AsMatrix(A.Values), b = B.AsMatrix(B.Values), gram = context.Rent(Rank, Rank), product = context.Rent(Rank, weight.Rows);
        context.Multiply(a, new Operand(a).Transposed, gram, _scaling / 2);
        MatrixProduct.Multiply(context.Workers,
            new Product(product, null, new Term(a, weight.Operand.Transposed), new Term(gram, new Operand(b).Transposed)));
        for (var row = 0; row < _norms.Length; row++)
        {
            var sum = 0.0;
            for (var k = 0; k < Rank; k++) sum += (double)b[row][k] * product[k][row];
            _norms[row] = (float)Math.Sqrt(Math.Max(_squares[row] + 2.0 * _scaling * sum, SmallestSquare));
        }
        context.Return(gram);
        context.Return(product);
        _version = A.Version + B.Version;
        return _norms;
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
            if (DropoutOf(context) is { } dropout)
            {
                context.Multiply(second.A, second.B, dropped); // overwrites what is no longer needed
                dropout.Apply(context, dropped, dropped);
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

    private Dropout? DropoutOf(EngineContext context) => context.Training ? _dropout : null;

    /// <summary>Returns drop(x): a rented matrix, or x itself without dropout.</summary>
    private Matrix Drop(EngineContext context, Matrix x)
    {
        if (DropoutOf(context) is not { } dropout) return x;
        var dropped = context.Rent(x.Rows, x.Columns);
        dropout.Apply(context, x, dropped);
        return dropped;
    }

    private static void ReturnDropped(EngineContext context, Matrix x, Matrix dropped)
    {
        if (!ReferenceEquals(x.Data, dropped.Data)) context.Return(dropped);
    }
}
