using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tests.Engines;

/// <summary>Products in whole numbers with weights of 4 bits, compared with their definition and with float64.</summary>
[TestClass]
public class DigitProductTests
{
    private const int Rank = 3, Block = 32;

    [TestMethod]
    [DataRow(64, 48, false)]
    [DataRow(64, 48, true)]
    [DataRow(32, 5, true)]
    [DataRow(45, 70, false)]
    [DataRow(45, 70, true)]
    [DataRow(1, 1, false)]
    [DataRow(2048, 33, true)]
    [DataRow(96, 1030, false)]
    public void Multiply_InDigits_GivesTheBitsOfItsDefinition(int inputs, int outputs, bool hasMinimum)
    {
        var rows = RandomBlocks.Rows(new(4, Block, hasMinimum), inputs, outputs, hasMinimum ? 0 : -8, hasMinimum ? 15 : 7);
        Matrix x = Inputs(inputs), low = Numbers.Random(x.Rows, Rank, 7), up = Numbers.Random(Rank, outputs, 8), bias = Numbers.Random(1, outputs, 9);
        var expected = Matrix.Zeros(x.Rows, outputs);
        for (var i = 0; i < x.Rows; i++)
        {
            for (var j = 0; j < outputs; j++)
            {
                var sum = Defined(x[i], rows[j], hasMinimum);
                for (var r = 0; r < Rank; r++) sum = MathF.FusedMultiplyAdd(low[i][r], up[r][j], sum);
                expected[i][j] = sum * 0.5f + bias[0][j];
            }
        }
        foreach (var m in (int[])[1, 2, 7, x.Rows])
        {
            Matrix some = x.RowRange(x.Rows - m, m), lower = low.RowRange(x.Rows - m, m);
            var addend = new Matrix(bias.Data, bias.Offset, m, outputs, Stride: 0);
            foreach (var threads in (int[])[1, 3])
            {
                RequireBits<Tile256>();
                RequireBits<Tile512>();

                void RequireBits<TTile>() where TTile : ITile
                {
                    using var weight = RandomBlocks.Pack(new(4, Block, hasMinimum), rows, inputs, TTile.Columns);
                    var c = Matrix.Zeros(m, outputs);
                    MatrixProduct.Multiply<TTile>(new Workers(threads), new Product(c, addend, new Term(some, new Operand(weight).Transposed),
                        new Term(lower, up), 0.5f, InDigits: true));
                    Assert.IsTrue(expected.RowRange(x.Rows - m, m).Span.SequenceEqual(c.Span), $"{typeof(TTile)}, {m} rows, {threads} threads");
                }
            }
        }
    }

    [TestMethod]
    [DataRow(576, false)]
    [DataRow(2500, true)]
    [DataRow(7000, false)]
    public void Multiply_InDigits_IsWithinTheRoundingOfFloat32(int inputs, bool hasMinimum)
    {
        const int Outputs = 40;
        var rows = RandomBlocks.Rows(new(4, Block, hasMinimum), inputs, Outputs, hasMinimum ? 0 : -8, hasMinimum ? 15 : 7);
        using var weight = RandomBlocks.Pack(new(4, Block, hasMinimum), rows, inputs, Panel.Width);
        var (x, values) = (Inputs(inputs), new float[inputs]);
        var c = Matrix.Zeros(x.Rows, Outputs);
        MatrixProduct.Multiply(new Workers(2), new Product(c, null, new Term(x, new Operand(weight).Transposed), InDigits: true));
        for (var j = 0; j < Outputs; j++)
        {
            weight.ReadRow(j, values);
            for (var i = 0; i < x.Rows; i++)
            {
                // An element of x is off by at most 2^-22 of the largest in its block, a sum by a rounding per addition.
                var (sum, size) = (0.0, 0.0);
                for (var k = 0; k < inputs; k++)
                {
                    var largest = 0.0;
                    for (var other = k / Block * Block; other < Math.Min(inputs, k / Block * Block + Block); other++)
                        largest = Math.Max(largest, Math.Abs(x[i][other]));
                    sum += (double)x[i][k] * values[k];
                    size += (Math.Abs(x[i][k]) + largest) * (16 * rows[j].Scales[k / Block] + Math.Abs(rows[j].Minima[k / Block]));
                }
                Assert.AreEqual(sum, c[i][j], (2 * (inputs / Block) + 10) * size * Math.Pow(2, -24) + 1e-30, $"[{i}, {j}]");
            }
        }
    }

    [TestMethod]
    public void Multiply_NotANumber_StaysInItsRow()
    {
        var rows = RandomBlocks.Rows(new(4, Block, false), 70, 20, -8, 7);
        using var weight = RandomBlocks.Pack(new(4, Block, false), rows, 70, Panel.Width);
        foreach (var value in (float[])[float.NaN, float.PositiveInfinity, float.NegativeInfinity])
        {
            var (x, c) = (Inputs(70), Matrix.Zeros(8, 20));
            x[1][69] = value;
            MatrixProduct.Multiply(new Workers(1), new Product(c, null, new Term(x, new Operand(weight).Transposed), InDigits: true));
            for (var i = 0; i < 8; i++) Assert.AreEqual(i != 1, float.IsFinite(c[i][3]), $"{value}, row {i}");
        }
    }

    [TestMethod]
    public void Multiply_SeveralProductsInDigits_EqualsEachAlone()
    {
        var x = Inputs(64);
        var weights = new[] { 70, 16, 5 }.Select(n =>
            RandomBlocks.Pack(new(4, Block, false), RandomBlocks.Rows(new(4, Block, false), 64, n, -8, 7), 64, Panel.Width)).ToList();
        var products = weights.Select(weight => new Product(Matrix.Zeros(x.Rows, weight.Rows), null, new Term(x, new Operand(weight).Transposed),
            InDigits: true)).ToArray();
        MatrixProduct.Multiply(new Workers(3), products);
        foreach (var product in products)
        {
            var alone = Matrix.Zeros(x.Rows, product.C.Columns);
            MatrixProduct.Multiply(new Workers(1), product with { C = alone });
            Assert.IsTrue(alone.Span.SequenceEqual(product.C.Span));
        }
        var another = products[1] with { First = new Term(Inputs(64), products[1].First.B) };
        var error = Assert.ThrowsExactly<ArgumentException>(() => MatrixProduct.Multiply(new Workers(1), products[0], another));
        StringAssert.Contains(error.Message, "the same left factor");
        foreach (var weight in weights) weight.Dispose();
    }

    /// <summary>Rows of x of different kinds.</summary>
    private static Matrix Inputs(int columns)
    {
        var x = Numbers.Random(8, columns, 6);
        for (var k = 0; k < columns; k++)
        {
            x[2][k] *= MathF.Pow(2, k % 60 - 30); // magnitudes far apart
            x[3][k] = (k % 7 - 3) * 0.25f; // multiples of the unit
            x[4][k] = k % 2 == 0 ? 1.9999999f : -1.9999999f; // the largest digits
            x[5][k] = 1e-38f * (k % 5); // too small for the unit
            x[6][k] = k < columns / 2 ? 0 : 1e30f; // blocks of zeros, and large numbers
            x[7][k] = 0;
        }
        return x;
    }

    /// <summary>The definition: for every block, X = x / u to the nearest whole number, the exact sum of q X digit by digit, then float32.</summary>
    private static float Defined(ReadOnlySpan<float> x, BlockRow row, bool hasMinimum)
    {
        var total = 0f;
        for (var b = 0; b < row.Scales.Length; b++)
        {
            var block = x[(b * Block)..Math.Min(x.Length, (b + 1) * Block)];
            var largest = 0f;
            foreach (var value in block) largest = Math.Max(largest, Math.Abs(value));
            var unit = Math.Pow(2, -122);
            while (Math.Round(largest / unit) > 8355711 || largest / unit * (8388608f / 8355711) >= 8388608) unit *= 2;
            var (sums, all) = (new long[3], 0L);
            for (var k = 0; k < block.Length; k++)
            {
                var whole = (long)Math.Round(block[k] / unit);
                all += whole;
                for (var place = 0; place < 3; place++)
                {
                    var digit = (sbyte)whole;
                    sums[place] += digit * (row.Elements[b * Block + k] + (hasMinimum ? 0 : 8));
                    whole = (whole - digit) >> 8;
                }
                Assert.AreEqual(0, whole, "three digits");
            }
            var value256 = MathF.FusedMultiplyAdd(MathF.FusedMultiplyAdd(sums[2], 256, sums[1]), 256, sums[0]);
            total = MathF.FusedMultiplyAdd(value256, row.Scales[b] * (float)unit, total);
            total = MathF.FusedMultiplyAdd(hasMinimum ? row.Minima[b] : row.Scales[b] * -8, all * (float)unit, total);
        }
        return total;
    }
}
