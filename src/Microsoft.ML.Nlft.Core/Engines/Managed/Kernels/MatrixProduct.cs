using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Microsoft.ML.Nlft.Engines.Managed.Kernels;

/// <summary>A B, one term of a product.</summary>
/// <param name="A">The left factor, a float32 matrix.</param>
/// <param name="B">The right factor.</param>
internal readonly record struct Term(Operand A, Operand B);

/// <summary>C[M x N] = D + alpha (A B + A2 B2). Each term is [M x K] times [K x N] with its own K.</summary>
/// <param name="C">The result.</param>
/// <param name="D">The addend, of the shape of <paramref name="C"/>: <paramref name="C"/> itself to accumulate, null for none.</param>
/// <param name="First">A B.</param>
/// <param name="Second">A2 B2, the contribution of a LoRA adapter, or null. B2 is a float32 matrix.</param>
/// <param name="Alpha">The factor on both terms.</param>
/// <param name="InDigits">
/// Whether A meets a weight of 4 bits in whole numbers, <see cref="Digits"/>, as in decoding; products of one call that do have one A.
/// </param>
internal readonly record struct Product(Matrix C, Matrix? D, Term First, Term? Second = null, float Alpha = 1, bool InDigits = false)
{
    /// <summary>The weight that meets digits; null: the product is one of float32.</summary>
    public PackedWeight? ForDigits => InDigits ? First.B.ForDigits : null;

    /// <summary>Rejects shapes that do not match; returns the number of multiply-adds.</summary>
    public long Check()
    {
        if (D is { } addend && (addend.Rows != C.Rows || addend.Columns != C.Columns))
            throw new ArgumentException($"[{addend.Rows} x {addend.Columns}] cannot be added to [{C.Rows} x {C.Columns}].");
        return Check(First) + (Second is { } second ? Check(second) : 0);
    }

    private long Check(Term term)
    {
        var (a, b) = term;
        if (a.Columns != b.Rows || a.Rows != C.Rows || b.Columns != C.Columns)
            throw new ArgumentException($"[{a.Rows} x {a.Columns}] times [{b.Rows} x {b.Columns}] does not give [{C.Rows} x {C.Columns}].");
        if (a.Matrix is null) throw new ArgumentException("The left factor must be a float32 matrix.");
        return (long)C.Rows * a.Columns * C.Columns;
    }
}

/// <summary>
/// Computes matrix products, for training and decoding alike; docs/kernels.md explains how. Panels are split among threads, sums are not: an element
/// of C is summed in the order of k, then of the terms, whatever the number of threads and of rows. A row therefore gets the same bits alone or
/// among others. Sums of <see cref="Digits"/> are exact; of those, too, a row gets the same bits alone or among others.
/// </summary>
internal static unsafe class MatrixProduct
{
    /// <summary>Most products of one call.</summary>
    public const int MaximumProducts = 3;

    private const long SequentialBelow = 1L << 17; // multiply-adds; below this, threads cost more than they save

    /// <summary>Computes C[M x N] (+)= alpha A[M x K] B[K x N].</summary>
    public static void Multiply(Workers workers, Operand a, Operand b, Matrix c, float alpha = 1, bool accumulate = false) =>
        Multiply(workers, new Product(c, accumulate ? c : null, new Term(a, b), null, alpha));

    /// <summary>Computes up to <see cref="MaximumProducts"/> independent products as one set of tasks.</summary>
    public static void Multiply(Workers workers, params ReadOnlySpan<Product> products)
    {
        if (Vector512.IsHardwareAccelerated) Multiply<Tile512>(workers, products);
        else Multiply<Tile256>(workers, products);
    }

    internal static void Multiply<TTile>(Workers workers, params ReadOnlySpan<Product> products) where TTile : ITile
    {
        var work = 0L;
        foreach (var product in products) work += product.Check();
        var batch = new ProductBatch<TTile> { Workers = workers, Count = products.Length };
        var (threads, tasks) = (work < SequentialBelow ? 1 : workers.Threads, 0);
        var digits = DigitsOf(workers, products);
        for (var i = 0; i < products.Length; i++)
        {
            batch.Products[i] = new ProductPartition<TTile>(products[i], digits, threads, tasks);
            tasks = batch.Products[i].End;
        }
        if (threads > 1)
        {
            workers.For(tasks, batch, static (batch, task) => batch.Run(task));
            return;
        }
        for (var task = 0; task < tasks; task++) batch.Run(task);
    }

    /// <summary>Writes the left factor of the products in whole numbers where all threads read it; null if there is no such product.</summary>
    private static byte* DigitsOf(Workers workers, ReadOnlySpan<Product> products)
    {
        Operand? written = null;
        var digits = (byte*)null;
        foreach (var product in products)
        {
            if (product.ForDigits is null) continue;
            var a = product.First.A;
            if (written is { } other)
            {
                if (other == a) continue;
                throw new ArgumentException("Products in whole numbers of one call must have the same left factor.");
            }
            var rowBytes = Digits.RowBytes(a.Columns);
            digits = workers.Shared(a.Rows * rowBytes);
            for (var row = 0; row < a.Rows; row++) Digits.Write(a.Row(row), digits + row * rowBytes);
            written = a;
        }
        return digits;
    }

    private struct ProductBatch<TTile> where TTile : ITile
    {
        public Workers Workers;
        public int Count;
        public Buffer<ProductPartition<TTile>> Products;

        public readonly void Run(int task)
        {
            var product = 0;
            while (task >= Products[product].End) product++;
            Products[product].Run(Workers, task);
        }
    }

    [InlineArray(MaximumProducts)]
    private struct Buffer<T>
    {
        private T _first;
    }
}
