using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// The output layer at the R rows that predict a response token: log p = z_y - log sum exp(z) with z = s h W^T. Logits exist for one chunk of the
/// vocabulary and one block of rows at a time. Since d log p / dh = s (W_y - E[W]), the mean over p, a forward pass of training accumulates that mean
/// chunk by chunk (rescaled whenever a larger logit appears, as in online softmax), and the backward pass needs no logits.
/// </summary>
internal sealed class TokenHead(Weight weight, float scale)
{
    private const int Chunk = 2048, RowBlock = 1024;

    /// <summary>The output matrix [V x H]; the embedding if the weights are tied.</summary>
    public Weight Weight { get; } = weight;

    /// <summary>The adapter's factors, which make z = s (h W^T + low B^T), or null.</summary>
    public LoraFactors? Lora { get; set; }

    /// <summary>Computes log-probabilities, log-sum-exps and whether the target is the most likely token, for h[R x H].</summary>
    /// <param name="context">Threads and the pool of arrays.</param>
    /// <param name="h">The output of the final norm.</param>
    /// <param name="targets">The R predicted tokens.</param>
    /// <param name="logProbabilities">Receives log p.</param>
    /// <param name="logSums">Receives log sum exp(z).</param>
    /// <param name="mostLikely">Receives whether no logit exceeds that of the target.</param>
    /// <param name="mean">Receives E[W] [R x H] for the backward pass; null if there will be none.</param>
    public void Forward(EngineContext context, Matrix h, ReadOnlyMemory<int> targets, float[] logProbabilities, float[] logSums, bool[] mostLikely,
        Matrix? mean)
    {
        mean?.Clear();
        var running = context.Rent(2, h.Rows); // the largest logit so far, and the sum of exp(z - largest)
        running[0].Fill(float.NegativeInfinity);
        running[1].Clear();
        var low = Lora?.Low(context, h);
        ForEachChunk(context, h, low, (z, row, first) =>
        {
            context.ForRows(z.Rows, (z, row, first, targets, logProbabilities, running, mean), static (loop, i) =>
            {
                var row = loop.row + i;
                var logits = loop.z[i];
                var target = loop.targets.Span[row] - loop.first;
                if ((uint)target < (uint)logits.Length) loop.logProbabilities[row] = logits[target];
                ref float largest = ref loop.running[0][row], sum = ref loop.running[1][row];
                var max = VectorMath.Max(logits);
                if (max > largest)
                {
                    var scale = MathF.Exp(largest - max);
                    (largest, sum) = (max, sum * scale);
                    if (loop.mean is { } matrix) VectorMath.Scale(matrix[row], scale);
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
        if (low is { } rented) context.Return(rented);
    }

    /// <summary>
    /// With c the coefficients, computes dh = c s (E[W] - W_y), which replaces <paramref name="mean"/>. With g = c s (softmax(z) - onehot(y)), it
    /// also computes dW += g^T h if W is trainable, and with factors dB += g^T low and what g B, the gradient of low, gives for A and h.
    /// </summary>
    public void Backward(EngineContext context, Matrix h, ReadOnlyMemory<int> targets, float[] logSums, float[] coefficients, Matrix mean)
    {
        var dLow = Lora is null ? (Matrix?)null : context.Rent(h.Rows, Lora.Rank);
        if (Weight.Parameter is not null || Lora is not null) AddGradients(context, h, targets, logSums, coefficients, dLow);
        var targetRows = context.Rent(h.Rows, h.Columns);
        context.ForRows(h.Rows, (Weight, targets, coefficients, scale, mean, targetRows), static (loop, row) =>
        {
            loop.Weight.ReadRow(loop.targets.Span[row], loop.targetRows[row]);
            VectorMath.AddScaled(loop.targetRows[row], -1, loop.mean[row]);
            VectorMath.Scale(loop.mean[row], loop.coefficients[row] * loop.scale);
        });
        context.Return(targetRows);
        if (dLow is not { } gradient) return;
        Lora!.LowBackward(context, h, gradient, mean);
        context.Return(gradient);
    }

    /// <summary>Adds to the gradients of W and B, and computes dLow = g B.</summary>
    private void AddGradients(EngineContext context, Matrix h, ReadOnlyMemory<int> targets, float[] logSums, float[] coefficients, Matrix? dLow)
    {
        dLow?.Clear();
        var low = Lora?.Low(context, h);
        ForEachChunk(context, h, low, (z, row, first) =>
        {
            context.ForRows(z.Rows, (z, row, first, targets, logSums, coefficients, scale), static (loop, i) =>
            {
                var row = loop.row + i;
                var logits = loop.z[i];
                var target = loop.targets.Span[row] - loop.first;
                VectorMath.ExpShifted(logits, loop.logSums[row]);
                if ((uint)target < (uint)logits.Length) logits[target] -= 1;
                VectorMath.Scale(logits, loop.coefficients[row] * loop.scale);
            });
            var transposed = new Operand(z).Transposed;
            if (Weight.Parameter is not null)
                context.Multiply(transposed, h.RowRange(row, z.Rows), Weight.Gradient.RowRange(first, z.Columns), accumulate: true);
            if (Lora is null) return;
            var (values, gradient) = (Lora.B.AsMatrix(Lora.B.Values), Lora.B.AsMatrix(Lora.B.Gradient));
            context.Multiply(transposed, low!.Value.RowRange(row, z.Rows), gradient.RowRange(first, z.Columns), accumulate: true);
            context.Multiply(z, values.RowRange(first, z.Columns), dLow!.Value.RowRange(row, z.Rows), accumulate: true);
        });
        if (low is { } rented) context.Return(rented);
    }

    /// <summary>
    /// Calls body(z, row, first) for every block of rows and chunk of the vocabulary: z holds the logits of the rows from row on and of the tokens
    /// from first on.
    /// </summary>
    private void ForEachChunk(EngineContext context, Matrix h, Matrix? low, Action<Matrix, int, int> body)
    {
        for (var row = 0; row < h.Rows; row += RowBlock)
        {
            var rows = Math.Min(RowBlock, h.Rows - row);
            for (var first = 0; first < Weight.Rows; first += Chunk)
            {
                var z = context.Rent(rows, Math.Min(Chunk, Weight.Rows - first));
                var second = low is { } factor
                    ? new Term(factor.RowRange(row, rows), new Operand(Lora!.B.AsMatrix(Lora.B.Values).RowRange(first, z.Columns)).Transposed)
                    : (Term?)null;
                MatrixProduct.Multiply(context.Workers,
                    new Product(z, null, new Term(h.RowRange(row, rows), Weight.Operand.RowRange(first, z.Columns).Transposed), second, scale));
                body(z, row, first);
                context.Return(z);
            }
        }
    }

    /// <summary>Computes all logits z[B x V], for decoding.</summary>
    public void Logits(EngineContext context, Matrix h, Matrix z)
    {
        var second = Lora?.Term(context, h);
        MatrixProduct.Multiply(context.Workers, new Product(z, null, new Term(h, Weight.Operand.Transposed), second, scale));
        if (second?.A.Matrix is { } low) context.Return(low);
    }
}
