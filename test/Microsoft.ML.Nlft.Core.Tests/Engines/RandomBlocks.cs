using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Tests.Engines;

/// <summary>Random weights in blocks.</summary>
internal static class RandomBlocks
{
    /// <summary>Draws the rows of a weight.</summary>
    public static BlockRow[] Rows(BlockFormat format, int inputs, int outputs, int lowest, int highest)
    {
        var rows = Enumerable.Range(0, outputs).Select(_ => new BlockRow(inputs, format.Length)).ToArray();
        var random = new Random(5);
        foreach (var row in rows)
        {
            for (var b = 0; b < row.Scales.Length; b++)
            {
                row.Scales[b] = (float)(Half)(random.NextSingle() / 8) * random.Next(1, 64);
                if (format.HasMinimum) row.Minima[b] = random.NextSingle() - 0.5f;
            }
            for (var k = 0; k < inputs; k++) row.Elements[k] = (sbyte)random.Next(lowest, highest + 1);
        }
        return rows;
    }

    /// <summary>Packs them into panels of a width.</summary>
    public static PackedWeight Pack(BlockFormat format, BlockRow[] rows, int inputs, int width) =>
        PackedWeight.Create(format, rows.Length, inputs, (row, target) =>
        {
            rows[row].Elements.CopyTo(target.Elements, 0);
            rows[row].Scales.CopyTo(target.Scales, 0);
            rows[row].Minima.CopyTo(target.Minima, 0);
        }, width);
}
