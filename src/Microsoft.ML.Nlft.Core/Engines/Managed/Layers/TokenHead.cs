using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// The output layer at the R rows that predict a response token: log p = z_y - log sum exp(z), z = h W^T. Logits exist for one chunk of the vocabulary
/// and one block of rows at a time. Since d log p / dh = W_y - E[W] with the mean over p, the forward pass of training adds up that mean as it goes by
/// (rescaled whenever a larger logit appears), and the backward pass needs no logits at all.
/// </summary>
internal sealed class TokenHead(Weight weight)
{
    private const int Chunk = 2048, RowBlock = 1024;

    /// <summary>The output matrix [V x H], the embedding when tied.</summary>
    public Weight Weight { get; } = weight;

    /// <summary>Log-probabilities, log-sum-exps and whether the target was the most likely token, for h[R x H].</summary>
    /// <param name="context">Threads and arrays.</param>
    /// <param name="h">The final norm's outputs.</param>
    /// <param name="targets">The R tokens.</param>
    /// <param name="logProbabilities">Receives log p.</param>
    /// <param name="logSums">Receives log sum exp(z).</param>
    /// <param name="mostLikely">Receives whether no logit is larger than the target's.</param>
    /// <param name="mean">Receives E[W] [R x H] for the backward pass; null when there will be none.</param>
    public void Forward(EngineContext context, Matrix h, ReadOnlyMemory<int> targets, float[] logProbabilities, float[] logSums, bool[] mostLikely, Matrix? mean)
    {
        mean?.Clear();
        var running = context.Rent(2, h.Rows); // the largest logit so far, and the sum of exp(z - largest)
        running[0].Fill(float.NegativeInfinity);
        running[1].Clear();
        ForEachChunk(context, h, (z, row, first) =>
        {
            context.ForRows(z.Rows, (z, row, first, targets, logProbabilities, running, mean), static (work, i) =>
            {
                var row = work.row + i;
                var logits = work.z[i];
                var target = work.targets.Span[row] - work.first;
                if ((uint)target < (uint)logits.Length) work.logProbabilities[row] = logits[target];
                ref float largest = ref work.running[0][row], sum = ref work.running[1][row];
                var max = VectorMath.Max(logits);
                if (max > largest)
                {
                    var scale = MathF.Exp(largest - max);
                    (largest, sum) = (max, sum * scale);
                    if (work.mean is { } matrix) VectorMath.Scale(matrix[row], scale);
                }
                sum += VectorMath.ExpShifted(logits, largest);
            });
            if (mean is { } sums) context.Multiply(z, Weight.Operand.RowRange(first, z.Columns), sums.RowRange(row, z.Rows), accumulate: true);
        });
        for (var row = 0; row < h.Rows; row++)
        {
            var (max, sum) = (running[0][row], running[1][row]);
            var logSum = max + Math.Log(sum);
            mostLikely[row] = logProbabilities[row] >= max;
            (logProbabilities[row], logSums[row]) = ((float)Math.Min(0, logProbabilities[row] - logSum), (float)logSum);
            if (mean is { } matrix) VectorMath.Scale(matrix[row], 1 / sum);
        }
        context.Return(running);
    }

    /// <summary>With c the coefficients: dh = c (E[W] - W_y) in place of <paramref name="mean"/>, and dW += c (softmax(z) - onehot(y))^T h where it is trainable.</summary>
    public void Backward(EngineContext context, Matrix h, ReadOnlyMemory<int> targets, float[] logSums, float[] coefficients, Matrix mean)
    {
        if (Weight.Parameter is not null) AddWeightGradient(context, h, targets, logSums, coefficients);
        var targetRows = context.Rent(h.Rows, h.Columns);
        context.ForRows(h.Rows, (Weight, targets, coefficients, mean, targetRows), static (work, row) =>
        {
            work.Weight.ReadRow(work.targets.Span[row], work.targetRows[row]);
            VectorMath.AddScaled(work.targetRows[row], -1, work.mean[row]);
            VectorMath.Scale(work.mean[row], work.coefficients[row]);
        });
        context.Return(targetRows);
    }

    private void AddWeightGradient(EngineContext context, Matrix h, ReadOnlyMemory<int> targets, float[] logSums, float[] coefficients) =>
        ForEachChunk(context, h, (z, row, first) =>
        {
            context.ForRows(z.Rows, (z, row, first, targets, logSums, coefficients), static (work, i) =>
            {
                var row = work.row + i;
                var logits = work.z[i];
                var target = work.targets.Span[row] - work.first;
                VectorMath.ExpShifted(logits, work.logSums[row]);
                if ((uint)target < (uint)logits.Length) logits[target] -= 1;
                VectorMath.Scale(logits, work.coefficients[row]);
            });
            context.Multiply(new Operand(z).Transposed, h.RowRange(row, z.Rows), Weight.Gradient.RowRange(first, z.Columns), accumulate: true);
        });

    /// <summary>Calls body(z, row, first) with the logits of every block of rows, from <paramref name="h"/>'s row on, and chunk of the vocabulary, from first on.</summary>
    private void ForEachChunk(EngineContext context, Matrix h, Action<Matrix, int, int> body)
    {
        for (var row = 0; row < h.Rows; row += RowBlock)
        {
            var rows = Math.Min(RowBlock, h.Rows - row);
            for (var first = 0; first < Weight.Rows; first += Chunk)
            {
                var z = context.Rent(rows, Math.Min(Chunk, Weight.Rows - first));
                context.Multiply(h.RowRange(row, rows), Weight.Operand.RowRange(first, z.Columns).Transposed, z);
                body(z, row, first);
                context.Return(z);
            }
        }
    }

    /// <summary>z[B x V] = h W^T, all of it: for decoding.</summary>
    public void Logits(EngineContext context, Matrix h, Matrix z) => context.Multiply(h, Weight.Operand.Transposed, z);
}
