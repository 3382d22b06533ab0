using System.Runtime.InteropServices;
using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.Engines.Managed.Layers;
using Microsoft.ML.Nlft.Models;

namespace Microsoft.ML.Nlft.Tests.Engines;

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
        MatrixProduct.MultiplyNaively(a, b, expected, 0.5f, accumulate: true);

        Operand left = transposeA ? new Operand(Transpose(a)).Transposed : a, right = transposeB ? new Operand(Transpose(b)).Transposed : b;
        MatrixProduct.Multiply<Tile512>(new Workers(2), wide, wide, new Term(left, right), null, 0.5f);
        MatrixProduct.Multiply<Tile256>(new Workers(1), narrow, narrow, new Term(left, right), null, 0.5f);

        Numbers.AreClose(expected, wide, 2e-5 * Math.Sqrt(k));
        Assert.IsTrue(wide.Span.SequenceEqual(narrow.Span), "Kernels of both widths sum in the same order and give the same bits.");
    }

    [TestMethod]
    public void Multiply_PartOfAMatrix_LeavesTheRestAlone()
    {
        Matrix a = Numbers.Random(20, 10, 1), b = Numbers.Random(10, 40, 2), c = Matrix.Zeros(30, 60);
        c.Span.Fill(7);
        var part = c.Part(4, 20, 9, 40);
        MatrixProduct.Multiply(new Workers(2), a, b, part);

        var expected = Matrix.Zeros(20, 40);
        MatrixProduct.MultiplyNaively(a, b, expected);
        Numbers.AreClose(expected, part, 1e-5);
        for (var i = 0; i < 30; i++)
            for (var j = 0; j < 60; j++)
                if (i is < 4 or >= 24 || j is < 9 or >= 49) Assert.AreEqual(7f, c[i][j], $"[{i}, {j}] lies outside the part.");
    }

    [TestMethod]
    [DataRow(TensorType.F32, 45, 70)]
    [DataRow(TensorType.F16, 45, 70)]
    [DataRow(TensorType.BF16, 45, 70)]
    [DataRow(TensorType.I8, 45, 70)]
    [DataRow(TensorType.F32, 8, 12)]
    [DataRow(TensorType.BF16, 48, 12)]
    [DataRow(TensorType.BF16, 16, 5)]
    [DataRow(TensorType.BF16, 1, 2)]
    [DataRow(TensorType.I8, 64, 1)]
    public unsafe void Multiply_WeightInItsFileType_EqualsTheWidenedWeight(TensorType type, int inputs, int outputs)
    {
        Matrix values = Numbers.Random(outputs, inputs, 5), x = Numbers.Random(30, inputs, 6), y = Matrix.Zeros(30, outputs), expected = Matrix.Zeros(30, outputs);
        var bytes = new byte[values.Span.Length * type.ByteSize()];
        var scales = new float[outputs];
        if (type == TensorType.I8)
            for (var row = 0; row < outputs; row++)
            {
                var stored = MemoryMarshal.Cast<byte, sbyte>(bytes.AsSpan(row * inputs, inputs));
                scales[row] = Int8Matrix.Round(values[row], stored);
                for (var i = 0; i < inputs; i++) values[row][i] = stored[i] * scales[row];
            }
        else
        {
            TensorConversion.FromSingle(type, values.Span, bytes);
            TensorConversion.ToSingle(type, bytes, values.Span);
        }
        MatrixProduct.MultiplyNaively(x, Transpose(values), expected);
        fixed (byte* mapped = bytes)
        fixed (float* factors = scales)
        {
            var weight = new Operand(mapped, type, outputs, inputs, factors);
            var read = new float[inputs];
            for (var row = 0; row < outputs; row++)
            {
                weight.ReadRow(row, read);
                CollectionAssert.AreEqual(values[row].ToArray(), read, $"row {row}");
            }
            MatrixProduct.Multiply(new Workers(2), x, weight.Transposed, y);
            Numbers.AreClose(expected, y, 1e-4);

            foreach (var rows in (int[])[1, 3, 4, 7, 16])
            {
                var product = Matrix.Zeros(rows, outputs);
                FewRowsProduct.Multiply(new Workers(2), new RowProduct(product, null, new Term(x.RowRange(0, rows), weight)));
                Numbers.AreClose(expected.RowRange(0, rows), product, 1e-4);
                var alone = Matrix.Zeros(1, outputs);
                FewRowsProduct.Multiply(new Workers(1), new RowProduct(alone, null, new Term(x.RowRange(rows - 1, 1), weight)));
                Assert.IsTrue(alone.Span.SequenceEqual(product[rows - 1]), "A row gets the same bits alone or among others.");
            }

            Matrix back = Matrix.Zeros(30, inputs), expectedBack = Matrix.Zeros(30, inputs);
            MatrixProduct.MultiplyNaively(expected, values, expectedBack);
            MatrixProduct.Multiply(new Workers(2), expected, weight, back);
            Numbers.AreClose(expectedBack, back, 1e-3);
        }
    }

    [TestMethod]
    [DataRow(3, 7, 5, 2)]
    [DataRow(31, 1100, 40, 16)]
    public void Multiply_TwoTermsAndAnAddend_EqualsTheNaiveSum(int m, int k, int n, int rank)
    {
        Matrix a = Numbers.Random(m, k, 1), b = Numbers.Random(k, n, 2), low = Numbers.Random(m, rank, 3), up = Numbers.Random(rank, n, 4);
        Matrix bias = Numbers.Random(1, n, 5), expected = Matrix.Zeros(m, n), wide = Matrix.Zeros(m, n), narrow = Matrix.Zeros(m, n);
        MatrixProduct.MultiplyNaively(a, b, expected);
        MatrixProduct.MultiplyNaively(low, up, expected, accumulate: true);
        for (var i = 0; i < m; i++)
            for (var j = 0; j < n; j++) expected[i][j] += bias[0][j];
        var repeated = new Matrix(bias.Data, bias.Offset, m, n, Stride: 0);
        MatrixProduct.Multiply<Tile512>(new Workers(1), wide, repeated, new Term(a, b), new Term(low, up));
        MatrixProduct.Multiply<Tile256>(new Workers(2), narrow, repeated, new Term(a, b), new Term(low, up));
        Numbers.AreClose(expected, wide, 2e-5 * Math.Sqrt(k));
        Assert.IsTrue(wide.Span.SequenceEqual(narrow.Span), "Kernels of both widths give the same bits.");
    }

    [TestMethod]
    public void Round_EveryWeight_IsOffByAtMostHalfAStep()
    {
        var row = Numbers.Random(1, 1000, 1).Span;
        var rounded = new sbyte[row.Length];
        var scale = Int8Matrix.Round(row, rounded);
        var largest = row.ToArray().Max(MathF.Abs);
        Assert.AreEqual(largest / 127, scale);
        for (var i = 0; i < row.Length; i++) Assert.AreEqual(row[i], rounded[i] * scale, largest / 254 * 1.00001f, $"weight {i}");
        Assert.AreEqual(0f, Int8Matrix.Round(new float[5], rounded.AsSpan(0, 5)));
    }

    [TestMethod]
    public void Exp_OfAnyFloat_IsWithinTwoUnitsInTheLastPlace()
    {
        for (var x = -87.2f; x < 88; x += 0.0137f) Assert.AreEqual(1, VectorMath.Exp(x) / Math.Exp(x), 2.4e-7, $"exp({x})");
        Assert.IsTrue(float.IsNaN(VectorMath.Exp(float.NaN)));
        Assert.AreEqual(1.2e-38f, VectorMath.Exp(float.NegativeInfinity), 1e-38f);
        Assert.IsTrue(float.IsFinite(VectorMath.Exp(float.PositiveInfinity)));
    }

    [TestMethod]
    public void Multiply_ShapesThatDoNotFit_SaysSo()
    {
        var error = Assert.ThrowsExactly<ArgumentException>(() =>
            MatrixProduct.Multiply(new Workers(1), Matrix.Zeros(2, 3), Matrix.Zeros(4, 5), Matrix.Zeros(2, 5)));
        Assert.AreEqual("[2 x 3] times [4 x 5] does not give [2 x 5].", error.Message);
    }

    private static Matrix Transpose(Matrix x)
    {
        var y = Matrix.Zeros(x.Columns, x.Rows);
        for (var i = 0; i < x.Rows; i++)
            for (var j = 0; j < x.Columns; j++) y[j][i] = x[i][j];
        return y;
    }
}
