using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// The output layer at the R rows that predict a response token: log p = z_y - log sum exp(z), z = h W^T. Logits exist for one
/// block of rows and one chunk of the vocabulary at a time; the backward pass computes them again.
/// </summary>
internal sealed class TokenHead(Weight weight)
{
    private const int Chunk = 2048, RowsPerBlock = 1024;

    /// <summary>The output matrix [V x H], the embedding when tied.</summary>
    public Weight Weight { get; } = weight;

    /// <summary>Log-probabilities, log-sum-exps and whether the target was the most likely token, for h[R x H].</summary>
    public void Forward(EngineContext context, Matrix h, ReadOnlyMemory<int> targets, float[] logProbabilities, float[] logSums, bool[] mostLikely)
    {
        var maxima = new float[h.Rows];
        var sums = new double[h.Rows];
        maxima.AsSpan().Fill(float.NegativeInfinity);
        ForEachChunk(context, h, (row0, first, z) => context.Workers.ForBlocks(z.Rows, 8, (start, end) =>
        {
            for (var i = start; i < end; i++)
            {
                int row = row0 + i, target = targets.Span[row];
                var logits = z[i];
                if (target >= first && target < first + logits.Length) logProbabilities[row] = logits[target - first];
                var max = VectorMath.Max(logits);
                if (max > maxima[row])
                {
                    sums[row] *= Math.Exp(maxima[row] - max);
                    maxima[row] = max;
                }
                sums[row] += VectorMath.ExpShifted(logits, maxima[row]);
            }
        }));
        for (var row = 0; row < h.Rows; row++)
        {
            mostLikely[row] = logProbabilities[row] >= maxima[row];
            var logSum = maxima[row] + Math.Log(sums[row]);
            logProbabilities[row] = (float)Math.Min(0, logProbabilities[row] - logSum);
            logSums[row] = (float)logSum;
        }
    }

    /// <summary>With g = c (softmax(z) - onehot(y)): dh = g W, dW += g^T h.</summary>
    public void Backward(EngineContext context, Matrix h, ReadOnlyMemory<int> targets, float[] logSums, float[] coefficients, Matrix dh)
    {
        dh.Clear();
        ForEachChunk(context, h, (row0, first, z) =>
        {
            context.Workers.ForBlocks(z.Rows, 8, (start, end) =>
            {
                for (var i = start; i < end; i++)
                {
                    int row = row0 + i, target = targets.Span[row];
                    var logits = z[i];
                    VectorMath.ExpShifted(logits, logSums[row]);
                    if (target >= first && target < first + logits.Length) logits[target - first] -= 1;
                    VectorMath.Scale(logits, coefficients[row]);
                }
            });
            context.Multiply(z, Weight.Operand.RowRange(first, z.Columns), dh.RowRange(row0, z.Rows), accumulate: true);
            if (Weight.Parameter is not null)
                context.Multiply(new Operand(z).Transposed, h.RowRange(row0, z.Rows), Weight.Gradient.RowRange(first, z.Columns), accumulate: true);
        });
    }

    /// <summary>z[B x V] = h W^T, all of it: for decoding.</summary>
    public void Logits(EngineContext context, Matrix h, Matrix z)
    {
        if (h.Rows <= FewRowsProduct.MostRows) FewRowsProduct.Multiply(context.Workers, context.Workspace, h, Weight.Operand, z);
        else context.Multiply(h, Weight.Operand.Transposed, z);
    }

    private void ForEachChunk(EngineContext context, Matrix h, Action<int, int, Matrix> body)
    {
        for (var row = 0; row < h.Rows; row += RowsPerBlock)
        {
            var rows = Math.Min(RowsPerBlock, h.Rows - row);
            for (var first = 0; first < Weight.Rows; first += Chunk)
            {
                var z = context.Rent(rows, Math.Min(Chunk, Weight.Rows - first));
                context.Multiply(h.RowRange(row, rows), Weight.Operand.RowRange(first, z.Columns).Transposed, z);
                body(row, first, z);
                context.Return(z);
            }
        }
    }
}
