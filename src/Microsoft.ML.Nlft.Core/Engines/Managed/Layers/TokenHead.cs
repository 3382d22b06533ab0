using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// The output layer at the R rows that predict a response token: log p = z_y - log sum exp(z), z = h W^T. Logits exist for one block of rows and
/// one chunk of the vocabulary at a time, in the caches of the thread that made them; the backward pass computes them again.
/// </summary>
internal sealed unsafe class TokenHead(Weight weight)
{
    private const int Chunk = 128, RowBlock = 512, GradientChunk = 16 * Chunk;

    /// <summary>The output matrix [V x H], the embedding when tied.</summary>
    public Weight Weight { get; } = weight;

    /// <summary>Log-probabilities, log-sum-exps and whether the target was the most likely token, for h[R x H].</summary>
    public void Forward(EngineContext context, Matrix h, ReadOnlyMemory<int> targets, float[] logProbabilities, float[] logSums, bool[] mostLikely)
    {
        int chunks = (Weight.Rows + Chunk - 1) / Chunk, blocks = (h.Rows + RowBlock - 1) / RowBlock;
        Matrix maxima = context.Rent(chunks, h.Rows), sums = context.Rent(chunks, h.Rows); // of every chunk: which thread made it changes nothing
        context.Workers.For(chunks * blocks, (head: this, context, h, targets, logProbabilities, maxima, sums, chunks), static (work, item) =>
        {
            var (chunk, row) = (item % work.chunks, item / work.chunks * RowBlock);
            work.head.Forward(work.context, chunk, row, work.h, work.targets.Span, work.logProbabilities, work.maxima[chunk], work.sums[chunk]);
        });
        context.ForRows(h.Rows, (maxima, sums, chunks, logProbabilities, logSums, mostLikely), static (work, row) =>
        {
            var (max, sum) = (float.NegativeInfinity, 0.0);
            for (var chunk = 0; chunk < work.chunks; chunk++) max = MathF.Max(max, work.maxima[chunk][row]);
            for (var chunk = 0; chunk < work.chunks; chunk++) sum += work.sums[chunk][row] * Math.Exp(work.maxima[chunk][row] - max);
            var logSum = max + Math.Log(sum);
            work.mostLikely[row] = work.logProbabilities[row] >= max;
            work.logProbabilities[row] = (float)Math.Min(0, work.logProbabilities[row] - logSum);
            work.logSums[row] = (float)logSum;
        });
        context.Return(maxima);
        context.Return(sums);
    }

    private void Forward(EngineContext context, int chunk, int firstRow, Matrix h, ReadOnlySpan<int> targets, float[] targetLogits, Span<float> maxima, Span<float> sums)
    {
        int first = chunk * Chunk, columns = Math.Min(Chunk, Weight.Rows - first), rows = Math.Min(RowBlock, h.Rows - firstRow);
        var panel = PackedFactor.Size(Weight.Columns, 1);
        var scratch = context.Workers.Scratch(panel + rows * Chunk);
        Logits(h.RowRange(firstRow, rows), first, columns, scratch, scratch + panel, Chunk);
        for (var i = 0; i < rows; i++)
        {
            int row = firstRow + i, target = targets[row] - first;
            var logits = new Span<float>(scratch + panel + i * Chunk, columns);
            if ((uint)target < (uint)columns) targetLogits[row] = logits[target];
            maxima[row] = VectorMath.Max(logits);
            sums[row] = VectorMath.ExpShifted(logits, maxima[row]);
        }
    }

    /// <summary>With g = c (softmax(z) - onehot(y)): dh = g W, dW += g^T h.</summary>
    public void Backward(EngineContext context, Matrix h, ReadOnlyMemory<int> targets, float[] logSums, float[] coefficients, Matrix dh)
    {
        dh.Clear();
        var g = context.Rent(Math.Min(RowBlock, h.Rows), Math.Min(GradientChunk, Weight.Rows));
        for (var row = 0; row < h.Rows; row += RowBlock)
        {
            var rows = h.RowRange(row, Math.Min(RowBlock, h.Rows - row));
            for (var first = 0; first < Weight.Rows; first += GradientChunk)
            {
                var part = g.Part(0, rows.Rows, 0, Math.Min(GradientChunk, Weight.Rows - first));
                context.Workers.For((part.Columns + Chunk - 1) / Chunk, (head: this, context, rows, row, first, part, targets, logSums, coefficients), static (work, chunk) =>
                    work.head.LogitGradients(work.context, work.rows, work.first, chunk * Chunk, work.targets.Span[work.row..], work.logSums.AsSpan(work.row), work.coefficients.AsSpan(work.row), work.part));
                context.Multiply(part, Weight.Operand.RowRange(first, part.Columns), dh.RowRange(row, rows.Rows), accumulate: true);
                if (Weight.Parameter is not null)
                    context.Multiply(new Operand(part).Transposed, rows, Weight.Gradient.RowRange(first, part.Columns), accumulate: true);
            }
        }
        context.Return(g);
    }

    /// <summary>Columns [column, column + Chunk) of g for the vocabulary from <paramref name="first"/> on.</summary>
    private void LogitGradients(EngineContext context, Matrix h, int first, int column, ReadOnlySpan<int> targets, ReadOnlySpan<float> logSums, ReadOnlySpan<float> coefficients, Matrix g)
    {
        var columns = Math.Min(Chunk, g.Columns - column);
        fixed (float* pinned = g.Data)
            Logits(h, first + column, columns, context.Workers.Scratch(PackedFactor.Size(Weight.Columns, 1)), pinned + g.Index(0, column), g.Stride);
        for (var i = 0; i < h.Rows; i++)
        {
            var logits = g[i].Slice(column, columns);
            var target = targets[i] - first - column;
            VectorMath.ExpShifted(logits, logSums[i]);
            if ((uint)target < (uint)columns) logits[target] -= 1;
            VectorMath.Scale(logits, coefficients[i]);
        }
    }

    /// <summary>z[rows x columns] = h W^T for the vocabulary from <paramref name="first"/> on, on the calling thread.</summary>
    private void Logits(Matrix h, int first, int columns, float* panel, float* z, int stride)
    {
        var width = PackedFactor.RoundUp(1);
        fixed (float* pinned = h.Data)
            for (var column = 0; column < columns; column += width)
            {
                var n = Math.Min(width, columns - column);
                PackedFactor.Pack(Weight.Operand.RowRange(first + column, n).Transposed, panel)
                    .Multiply(h.Rows, h.Columns, n, pinned + h.Offset, h.Stride, 1, z + column, stride);
            }
    }

    /// <summary>z[B x V] = h W^T, all of it: for decoding.</summary>
    public void Logits(EngineContext context, Matrix h, Matrix z)
    {
        if (h.Rows <= FewRowsProduct.MostRows) FewRowsProduct.Multiply(context.Workers, z, null, new Term(h, Weight.Operand));
        else context.Multiply(h, Weight.Operand.Transposed, z);
    }
}
