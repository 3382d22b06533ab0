using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tests.Engines;

/// <summary>Matrix products of every shape, layout and weight type, compared with three loops in double precision.</summary>
[TestClass]
public class MatrixProductTests
{
    private static readonly int[][] Shapes =
        [[1, 1, 1], [2, 3, 5], [12, 384, 32], [13, 385, 33], [25, 400, 70], [97, 31, 65], [5, 768, 2050], [200, 64, 100]];

    public static IEnumerable<object[]> Cases =>
        from shape in Shapes
        from transposeA in (bool[])[false, true]
        from transposeB in (bool[])[false, true]
        select new object[] { shape[0], shape[1], shape[2], transposeA, transposeB };

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Multiply_AnyShapeAndLayout_EqualsTheNaiveProduct(int m, int k, int n, bool transposeA, bool transposeB)
    {
        Matrix a = Numbers.Random(m, k, 1), b = Numbers.Random(k, n, 2);
        Matrix expected = Numbers.Random(m, n, 3), wide = Numbers.Random(m, n, 3), narrow = Numbers.Random(m, n, 3);
        MultiplyNaively(a, b, expected, 0.5f, accumulate: true);

        Operand left = transposeA ? new Operand(Transpose(a)).Transposed : a, right = transposeB ? new Operand(Transpose(b)).Transposed : b;
        MatrixProduct.Multiply<Tile512>(new Workers(2), new Product(wide, wide, new Term(left, right), null, 0.5f));
        MatrixProduct.Multiply<Tile256>(new Workers(1), new Product(narrow, narrow, new Term(left, right), null, 0.5f));

        Numbers.AreClose(expected, wide, 2e-5 * Math.Sqrt(k));
        Assert.IsTrue(wide.Span.SequenceEqual(narrow.Span), "Kernels of both widths sum in the same order and give the same bits.");
    }

    [TestMethod]
    public void Multiply_SliceOfAMatrix_LeavesTheRestUnchanged()
    {
        Matrix a = Numbers.Random(20, 10, 1), b = Numbers.Random(10, 40, 2), c = Matrix.Zeros(30, 60);
        c.Span.Fill(7);
        var slice = c.Slice(4, 20, 9, 40);
        MatrixProduct.Multiply(new Workers(2), a, b, slice);

        var expected = Matrix.Zeros(20, 40);
        MultiplyNaively(a, b, expected);
        Numbers.AreClose(expected, slice, 1e-5);
        for (var i = 0; i < 30; i++)
        {
            for (var j = 0; j < 60; j++)
            {
                if (i is < 4 or >= 24 || j is < 9 or >= 49) Assert.AreEqual(7f, c[i][j], $"[{i}, {j}] is outside the slice.");
            }
        }
    }

    [TestMethod]
    [DataRow(TensorType.F32, 45, 70)]
    [DataRow(TensorType.F16, 45, 70)]
    [DataRow(TensorType.BF16, 45, 70)]
    [DataRow(TensorType.I8, 45, 70)]
    [DataRow(TensorType.F32, 8, 12)]
    [DataRow(TensorType.F32, 45, 16)]
    [DataRow(TensorType.BF16, 45, 24)]
    [DataRow(TensorType.I8, 45, 8)]
    [DataRow(TensorType.F32, 1100, 1030)]
    [DataRow(TensorType.BF16, 2060, 40)]
    [DataRow(TensorType.BF16, 48, 12)]
    [DataRow(TensorType.BF16, 16, 5)]
    [DataRow(TensorType.BF16, 1, 2)]
    [DataRow(TensorType.I8, 1050, 9)]
    [DataRow(TensorType.I8, 64, 1)]
    public void Multiply_PackedWeight_EqualsTheNaiveProductOfItsFloat32Values(TensorType type, int inputs, int outputs)
    {
        Matrix values = Numbers.Random(outputs, inputs, 5), x = Numbers.Random(30, inputs, 6), dy = Numbers.Random(30, outputs, 7);
        Matrix expected = Matrix.Zeros(30, outputs), expectedBackward = Matrix.Zeros(30, inputs);
        using var narrow = PackedWeight.Create(type, outputs, inputs, (row, target) => values[row].CopyTo(target), Tile256.Columns);
        using var wide = PackedWeight.Create(type, outputs, inputs, (row, target) => values[row].CopyTo(target), Tile512.Columns);
        for (var row = 0; row < outputs; row++)
        {
            var (rounded, read) = (Rounded(type, values[row]), new float[inputs]);
            foreach (var weight in (PackedWeight[])[narrow, wide])
            {
                weight.ReadRow(row, read);
                CollectionAssert.AreEqual(rounded, read, $"row {row}, {weight.Width} lanes");
            }
            read.CopyTo(values[row]);
        }
        MultiplyNaively(x, Transpose(values), expected);
        MultiplyNaively(dy, values, expectedBackward);
        Matrix forward = Product<Tile256>(new Operand(narrow).Transposed, 2, x), backward = Product<Tile256>(new Operand(narrow), 1, dy);
        Matrix wideForward = Product<Tile512>(new Operand(wide).Transposed, 1, x), wideBackward = Product<Tile512>(new Operand(wide), 2, dy);
        Numbers.AreClose(expected, forward, 1e-5 * Math.Sqrt(inputs));
        Numbers.AreClose(expectedBackward, backward, 1e-5 * Math.Sqrt(outputs));
        Assert.IsTrue(forward.Span.SequenceEqual(wideForward.Span), "Kernels of both widths give the same bits, x W^T.");
        Assert.IsTrue(backward.Span.SequenceEqual(wideBackward.Span), "Kernels of both widths give the same bits, dy W.");
        if (type != TensorType.I8) // whose scale is applied to the sum
        {
            var plain = Product<Tile256>(new Operand(Transpose(values)), 1, x);
            Assert.IsTrue(forward.Span.SequenceEqual(plain.Span), "A packed weight gives the bits of a float32 matrix.");
        }
        foreach (var rows in (int[])[1, 3, 4, 7, 16])
        {
            var few = Product<Tile256>(new Operand(narrow).Transposed, 2, x.RowRange(30 - rows, rows));
            Assert.IsTrue(few.Span.SequenceEqual(forward.RowRange(30 - rows, rows).Span), "A row gets the same bits alone or among others.");
        }

        static float[] Rounded(TensorType type, Span<float> row)
        {
            float[] rounded = [.. row];
            if (type == TensorType.I8)
            {
                var scale = Int8.Quantize(rounded);
                for (var i = 0; i < rounded.Length; i++) rounded[i] *= scale;
                return rounded;
            }
            var bytes = new byte[row.Length * type.ByteSize()];
            TensorConversion.FromSingle(type, row, bytes);
            TensorConversion.ToSingle(type, bytes, rounded);
            return rounded;
        }
    }

    [TestMethod]
    [DataRow(64, 48)]
    [DataRow(32, 5)]
    [DataRow(45, 70)]
    [DataRow(1, 1)]
    [DataRow(2500, 40)]
    [DataRow(96, 1030)]
    public void Multiply_WeightInBlocks_GivesTheBitsOfItsFloat32Values(int inputs, int outputs)
    {
        RequireBits(new(4, 32, HasMinimum: false), inputs, outputs, -8, 7);
        RequireBits(new(4, 32, HasMinimum: true), inputs, outputs, 0, 15);
        RequireBits(new(8, 32, HasMinimum: false), inputs, outputs, -127, 127);
        RequireBits(new(8, 32, HasMinimum: true), inputs, outputs, 0, 31);
        RequireBits(new(8, 16, HasMinimum: false), inputs, outputs, -32, 31);
        RequireBits(new(8, 16, HasMinimum: true), inputs, outputs, 0, 3);
    }

    private static void RequireBits(BlockFormat format, int inputs, int outputs, int lowest, int highest)
    {
        Matrix plain = Matrix.Zeros(outputs, inputs), x = Numbers.Random(30, inputs, 6), dy = Numbers.Random(30, outputs, 7);
        var rows = RandomBlocks.Rows(format, inputs, outputs, lowest, highest);
        for (var row = 0; row < outputs; row++)
        {
            for (var k = 0; k < inputs; k++)
                plain[row][k] = rows[row].Scales[k / format.Length] * rows[row].Elements[k] + rows[row].Minima[k / format.Length];
        }
        using var narrow = RandomBlocks.Pack(format, rows, inputs, Tile256.Columns);
        using var wide = RandomBlocks.Pack(format, rows, inputs, Tile512.Columns);
        for (var row = 0; row < outputs; row++)
        {
            var read = new float[inputs];
            foreach (var weight in (PackedWeight[])[narrow, wide])
            {
                weight.ReadRow(row, read);
                CollectionAssert.AreEqual(plain[row].ToArray(), read, $"{format}, row {row}, {weight.Width} lanes");
            }
        }
        foreach (var m in (int[])[1, 2, 5, 6, 7, 12, 13, 30])
        {
            var (some, upstream) = (x.RowRange(30 - m, m), dy.RowRange(30 - m, m));
            Matrix expected = Product<Tile256>(new Operand(plain).Transposed, 1, some), expectedBackward = Product<Tile256>(plain, 1, upstream);
            foreach (var threads in (int[])[1, 3])
            {
                foreach (var forward in (Matrix[])[Product<Tile256>(new Operand(narrow).Transposed, threads, some),
                    Product<Tile512>(new Operand(wide).Transposed, threads, some)])
                {
                    Assert.IsTrue(expected.Span.SequenceEqual(forward.Span), $"{format}, x W^T of {m} rows");
                }
                foreach (var backward in (Matrix[])[Product<Tile256>(new Operand(narrow), threads, upstream),
                    Product<Tile512>(new Operand(wide), threads, upstream)])
                {
                    Assert.IsTrue(expectedBackward.Span.SequenceEqual(backward.Span), $"{format}, dy W of {m} rows");
                }
            }
        }
    }

    [TestMethod]
    [DataRow(64)]
    [DataRow(33)]
    [DataRow(5)]
    public void CreateNibbles_AnyRow_TakesTheValuesOfQ40(int columns)
    {
        Matrix values = Numbers.Random(20, columns, 5), plain = Matrix.Zeros(20, columns);
        values[3].Clear();
        using var weight = PackedWeight.CreateNibbles(20, columns, (row, target) => values[row].CopyTo(target), Panel.Width);
        var read = new float[columns];
        for (var row = 0; row < 20; row++)
        {
            for (var k = 0; k < columns; k += 32) QuantizeNaively(values[row][k..Math.Min(columns, k + 32)], plain[row][k..]);
            weight.ReadRow(row, read);
            CollectionAssert.AreEqual(plain[row].ToArray(), read, $"row {row}");
        }
    }

    /// <summary>Q4_0 of GGUF files: the scale is the weight of the largest magnitude over -8, in float16.</summary>
    private static void QuantizeNaively(ReadOnlySpan<float> weights, Span<float> target)
    {
        var largest = weights[0];
        foreach (var weight in weights) largest = Math.Abs(weight) > Math.Abs(largest) ? weight : largest;
        var (inverse, scale) = (largest == 0 ? 0 : 1 / (largest / -8), (float)(Half)(largest / -8));
        for (var i = 0; i < weights.Length; i++) target[i] = (Math.Clamp((int)(weights[i] * inverse + 8.5f), 0, 15) - 8) * scale;
    }

    [TestMethod]
    public void Quantize_BlockOfFourBits_IsOffByAtMostAStep()
    {
        var random = new Random(3);
        var elements = new sbyte[32];
        for (var n = 1; n <= 32; n++)
        {
            var weights = Enumerable.Range(0, n).Select(_ => random.NextSingle() * 4 - 2).ToArray();
            var scale = GgufEncoding.Quantize(weights, elements);
            for (var i = 0; i < n; i++) Assert.AreEqual(weights[i], elements[i] * scale, Math.Abs(scale) * 1.01f, $"weight {i} of {n}");
        }
        Assert.AreEqual(0f, GgufEncoding.Quantize(new float[32], elements));
    }

    private static Matrix Product<TTile>(Operand b, int threads, Matrix a) where TTile : ITile
    {
        var c = Matrix.Zeros(a.Rows, b.Columns);
        MatrixProduct.Multiply<TTile>(new Workers(threads), new Product(c, null, new Term(a, b)));
        return c;
    }

    [TestMethod]
    public void Multiply_RowsOfAPackedWeight_GivesTheirColumnsOfTheProduct()
    {
        Matrix values = Numbers.Random(70, 20, 1), x = Numbers.Random(9, 20, 2), whole = Matrix.Zeros(9, 70), part = Matrix.Zeros(9, 22);
        using var weight = PackedWeight.Create(TensorType.F32, 70, 20, (row, target) => values[row].CopyTo(target), Panel.Width);
        var workers = new Workers(2);
        MatrixProduct.Multiply(workers, x, new Operand(weight).Transposed, whole);
        MatrixProduct.Multiply(workers, x, new Operand(weight).RowRange(32, 22).Transposed, part);
        for (var row = 0; row < 9; row++) CollectionAssert.AreEqual(whole[row].Slice(32, 22).ToArray(), part[row].ToArray());
        var error = Assert.ThrowsExactly<ArgumentException>(() => new Operand(weight).RowRange(5, 22));
        StringAssert.Contains(error.Message, "Row 5 does not start a panel.");
    }

    [TestMethod]
    public void Multiply_SeveralProducts_EqualsEachAlone()
    {
        Matrix x = Numbers.Random(33, 40, 1);
        var products = new[] { 70, 16, 5 }.Select((n, i) => new Product(Matrix.Zeros(33, n), null, new Term(x, Numbers.Random(40, n, i)))).ToArray();
        MatrixProduct.Multiply(new Workers(3), products);
        foreach (var product in products)
        {
            var alone = Matrix.Zeros(33, product.C.Columns);
            MatrixProduct.Multiply(new Workers(1), product with { C = alone });
            Assert.IsTrue(alone.Span.SequenceEqual(product.C.Span));
        }
    }

    [TestMethod]
    [DataRow(3, 7, 5, 2)]
    [DataRow(31, 1100, 40, 16)]
    public void Multiply_TwoTermsAndAnAddend_EqualsTheNaiveSum(int m, int k, int n, int rank)
    {
        Matrix a = Numbers.Random(m, k, 1), b = Numbers.Random(k, n, 2), low = Numbers.Random(m, rank, 3), up = Numbers.Random(rank, n, 4);
        Matrix bias = Numbers.Random(1, n, 5), expected = Matrix.Zeros(m, n), wide = Matrix.Zeros(m, n), narrow = Matrix.Zeros(m, n);
        MultiplyNaively(a, b, expected);
        MultiplyNaively(low, up, expected, accumulate: true);
        for (var i = 0; i < m; i++)
        {
            for (var j = 0; j < n; j++) expected[i][j] += bias[0][j];
        }
        var repeated = new Matrix(bias.Data, bias.Offset, m, n, Stride: 0);
        MatrixProduct.Multiply<Tile512>(new Workers(1), new Product(wide, repeated, new Term(a, b), new Term(low, up)));
        MatrixProduct.Multiply<Tile256>(new Workers(2), new Product(narrow, repeated, new Term(a, b), new Term(low, up)));
        Numbers.AreClose(expected, wide, 2e-5 * Math.Sqrt(k));
        Assert.IsTrue(wide.Span.SequenceEqual(narrow.Span), "Kernels of both widths give the same bits.");
    }

    [TestMethod]
    public void Quantize_EveryWeight_IsOffByAtMostHalfAStep()
    {
        var row = Numbers.Random(1, 1000, 1).Span.ToArray();
        float[] rounded = [.. row];
        var scale = Int8.Quantize(rounded);
        var largest = row.Max(MathF.Abs);
        Assert.AreEqual(largest / 127, scale);
        for (var i = 0; i < row.Length; i++)
        {
            Assert.AreEqual(row[i], rounded[i] * scale, largest / 254 * 1.00001f, $"weight {i}");
            Assert.AreEqual(MathF.Round(rounded[i]), rounded[i], $"weight {i} is not an integer");
        }
        Assert.AreEqual(0f, Int8.Quantize(new float[5]));
    }

    [TestMethod]
    public void Exp_AnyFloat_IsWithinTwoUnitsInTheLastPlace()
    {
        for (var x = -87.2f; x < 88; x += 0.0137f) Assert.AreEqual(1, VectorMath.Exp(x) / Math.Exp(x), 2.4e-7, $"exp({x})");
        Assert.IsTrue(float.IsNaN(VectorMath.Exp(float.NaN)));
        Assert.AreEqual(1.2e-38f, VectorMath.Exp(float.NegativeInfinity), 1e-38f);
        Assert.IsTrue(float.IsFinite(VectorMath.Exp(float.PositiveInfinity)));
    }

    [TestMethod]
    public void Multiply_MismatchedShapes_NamesTheShapes()
    {
        var error = Assert.ThrowsExactly<ArgumentException>(() =>
            MatrixProduct.Multiply(new Workers(1), Matrix.Zeros(2, 3), Matrix.Zeros(4, 5), Matrix.Zeros(2, 5)));
        Assert.AreEqual("[2 x 3] times [4 x 5] does not give [2 x 5].", error.Message);
    }

    /// <summary>The oracle, C (+)= alpha A B: three loops in double precision.</summary>
    private static void MultiplyNaively(Matrix a, Matrix b, Matrix c, float alpha = 1, bool accumulate = false)
    {
        for (var i = 0; i < c.Rows; i++)
        {
            for (var j = 0; j < c.Columns; j++)
            {
                var sum = 0.0;
                for (var k = 0; k < a.Columns; k++) sum += (double)a[i][k] * b[k][j];
                c[i][j] = (float)(alpha * sum + (accumulate ? c[i][j] : 0));
            }
        }
    }

    private static Matrix Transpose(Matrix x)
    {
        var y = Matrix.Zeros(x.Columns, x.Rows);
        for (var i = 0; i < x.Rows; i++)
        {
            for (var j = 0; j < x.Columns; j++) y[j][i] = x[i][j];
        }
        return y;
    }
}
