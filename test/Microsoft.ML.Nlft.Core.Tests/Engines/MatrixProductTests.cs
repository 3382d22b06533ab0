using Microsoft.ML.Nlft.Engines.Managed.Kernels;
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
    [DataRow(TensorType.F32)]
    [DataRow(TensorType.F16)]
    [DataRow(TensorType.BF16)]
    public unsafe void Multiply_WeightInItsFileType_EqualsTheWidenedWeight(TensorType type)
    {
        const int Inputs = 45, Outputs = 70;
        Matrix values = Numbers.Random(Outputs, Inputs, 5), x = Numbers.Random(30, Inputs, 6), y = Matrix.Zeros(30, Outputs), expected = Matrix.Zeros(30, Outputs);
        var bytes = new byte[values.Span.Length * 4];
        TensorConversion.FromSingle(type, values.Span, bytes.AsSpan(0, values.Span.Length * (type == TensorType.F32 ? 4 : 2)));
        TensorConversion.ToSingle(type, bytes.AsSpan(0, values.Span.Length * (type == TensorType.F32 ? 4 : 2)), values.Span);
        MatrixProduct.MultiplyNaively(x, Transpose(values), expected);
        fixed (byte* mapped = bytes)
        {
            var weight = new Operand(mapped, type, Outputs, Inputs);
            MatrixProduct.Multiply(new Workers(2), x, weight.Transposed, y);
            Numbers.AreClose(expected, y, 1e-4);

            foreach (var rows in (int[])[1, 3, 4, 7, 16])
            {
                var product = Matrix.Zeros(rows, Outputs);
                FewRowsProduct.Multiply(new Workers(2), new RowProduct(product, null, new Term(x.RowRange(0, rows), weight)));
                Numbers.AreClose(expected.RowRange(0, rows), product, 1e-4);
                var alone = Matrix.Zeros(1, Outputs);
                FewRowsProduct.Multiply(new Workers(1), new RowProduct(alone, null, new Term(x.RowRange(rows - 1, 1), weight)));
                Assert.IsTrue(alone.Span.SequenceEqual(product[rows - 1]), "A row gets the same bits alone or among others.");
            }

            Matrix back = Matrix.Zeros(30, Inputs), expectedBack = Matrix.Zeros(30, Inputs);
            MatrixProduct.MultiplyNaively(expected, values, expectedBack);
            MatrixProduct.Multiply(new Workers(2), expected, weight, back);
            Numbers.AreClose(expectedBack, back, 1e-3);
        }
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
