using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>A B, one summand of a product.</summary>
/// <param name="A">The left factor, a float matrix.</param>
/// <param name="B">The right factor.</param>
internal readonly record struct Term(Operand A, Operand B);

/// <summary>C[M x N] = D + alpha times the terms, each [M x K] times [K x N] with a K of its own.</summary>
/// <param name="C">The result.</param>
/// <param name="D">What is added to, of the shape of <paramref name="C"/>: <paramref name="C"/> itself to accumulate, null for nothing.</param>
/// <param name="Term">The product.</param>
/// <param name="Second">A second product, what a LoRA adapter adds, or null. Its right factor is a float matrix.</param>
/// <param name="Alpha">The factor on both.</param>
internal readonly record struct Product(Matrix C, Matrix? D, Term Term, Term? Second = null, float Alpha = 1)
{
    /// <summary>Refuses shapes that do not fit; returns the number of multiply-adds.</summary>
    public long Check()
    {
        if (D is { } addend && (addend.Rows != C.Rows || addend.Columns != C.Columns))
            throw new ArgumentException($"[{addend.Rows} x {addend.Columns}] cannot be added to [{C.Rows} x {C.Columns}].");
        return Check(Term) + (Second is { } second ? Check(second) : 0);
    }

    private long Check(Term term)
    {
        var (a, b) = term;
        if (a.Columns != b.Rows || a.Rows != C.Rows || b.Columns != C.Columns)
            throw new ArgumentException($"[{a.Rows} x {a.Columns}] times [{b.Rows} x {b.Columns}] does not give [{C.Rows} x {C.Columns}].");
        if (a.Matrix is null) throw new ArgumentException("The left factor must be a float matrix.");
        return (long)C.Rows * a.Columns * C.Columns;
    }
}

/// <summary>
/// Products of matrices, for training and decoding alike. The panels of a frozen weight are read where they lie, others are packed a few at a time, and all
/// rows of A pass by them. Panels are shared out over threads, sums are not: an element of C is summed in the order of k and of the terms, whatever the
/// threads or the shape around it, so that a row gets the same bits alone or among others.
/// </summary>
internal static unsafe class MatrixProduct
{
    /// <summary>Most products of one call.</summary>
    public const int MostProducts = 3;

    private const long SequentialBelow = 1L << 17; // multiply-adds: below this, sharing out costs more than it brings

    /// <summary>C[M x N] (+)= alpha A[M x K] B[K x N].</summary>
    public static void Multiply(Workers workers, Operand a, Operand b, Matrix c, float alpha = 1, bool accumulate = false) =>
        Multiply(workers, new Product(c, accumulate ? c : null, new Term(a, b), null, alpha));

    /// <summary>A few products, shared out together.</summary>
    public static void Multiply(Workers workers, params ReadOnlySpan<Product> products)
    {
        if (Vector512.IsHardwareAccelerated) Multiply<Tile512>(workers, products);
        else Multiply<Tile256>(workers, products);
    }

    /// <summary>The oracle: three loops in double precision.</summary>
    public static void MultiplyNaively(Matrix a, Matrix b, Matrix c, float alpha = 1, bool accumulate = false)
    {
        for (var i = 0; i < c.Rows; i++)
            for (var j = 0; j < c.Columns; j++)
            {
                var sum = 0.0;
                for (var k = 0; k < a.Columns; k++) sum += (double)a[i][k] * b[k][j];
                c[i][j] = (float)(alpha * sum + (accumulate ? c[i][j] : 0));
            }
    }

    internal static void Multiply<TTile>(Workers workers, params ReadOnlySpan<Product> products) where TTile : ITile
    {
        var work = 0L;
        foreach (var product in products) work += product.Check();
        var shares = new Shares<TTile> { Workers = workers, Count = products.Length };
        var (threads, pieces) = (work < SequentialBelow ? 1 : workers.Threads, 0);
        for (var i = 0; i < products.Length; i++)
        {
            shares.Products[i] = new SharedProduct<TTile>(products[i], threads, pieces);
            pieces = shares.Products[i].End;
        }
        if (threads > 1) workers.For(pieces, shares, static (shares, piece) => shares.Run(piece));
        else
            for (var piece = 0; piece < pieces; piece++) shares.Run(piece);
    }

    private struct Shares<TTile> where TTile : ITile
    {
        public Workers Workers;
        public int Count;
        public Buffer<SharedProduct<TTile>> Products;

        public readonly void Run(int piece)
        {
            var product = 0;
            while (piece >= Products[product].End) product++;
            Products[product].Run(Workers, piece);
        }
    }

    [InlineArray(MostProducts)]
    private struct Buffer<T>
    {
        private T _first;
    }
}
