using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// The output layer at the R rows that predict a response token: log p = z_y - log sum exp(z) with z = s h W^T + b. Logits exist for one chunk of the
/// vocabulary and one block of rows at a time. Since d log p / dh = s (W_y - E[W]), the mean over p, a forward pass of training accumulates that mean
/// chunk by chunk (rescaled whenever a larger logit appears, as in online softmax), and the backward pass needs no logits. With a soft cap c
/// (0: none) the logits are c tanh(z / c), and each row of W counts times the slope of the cap at its logit.
/// </summary>
internal sealed class TokenHead(Weight weight, float scale, float cap = 0, Weight? bias = null)
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
    /// <param name="mean">Receives E[W] [R x H], of rows times slopes, for the backward pass; null if there will be none.</param>
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
            context.ForRows(z.Rows, (z, row, first, targets, logProbabilities, running, mean, cap), static (loop, i) =>
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
                sum += loop.cap > 0 ? VectorMath.ExpShiftedTimesSlope(logits, largest, loop.cap) : VectorMath.ExpShifted(logits, largest);
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
    /// also computes dW += g^T h if W is trainable, and with factors dB += g^T low and what g B, the gradient of low, gives for A and h. With a soft
    /// cap, rows of W and columns of g count times their slopes. The gradient of the bias is that of z.
    /// </summary>
    public void Backward(EngineContext context, Matrix h, ReadOnlyMemory<int> targets, float[] logSums, float[] coefficients, Matrix mean)
    {
        var (low, dLow) = Lora is null ? ((Matrix?)null, (Matrix?)null) : (Lora.Low(context, h), context.Rent(h.Rows, Lora.Rank));
        if (Weight.Parameter is not null || Lora is not null) AddGradients(context, h, targets, logSums, coefficients, low, dLow);
        var targetRows = context.Rent(h.Rows, h.Columns);
        context.ForRows(h.Rows, (head: this, h, low, targets, coefficients, scale, mean, targetRows), static (loop, row) =>
        {
            var token = loop.targets.Span[row];
            var target = loop.targetRows[row];
            loop.head.Weight.ReadRow(token, target);
            var slope = loop.head.TargetSlope(loop.h[row], target, loop.low is { } low ? low[row] : default, token);
            VectorMath.AddScaled(target, -slope, loop.mean[row]);
            VectorMath.Scale(loop.mean[row], loop.coefficients[row] * loop.scale);
        });
        context.Return(targetRows);
        if (Lora is null) return;
        Lora.LowBackward(context, h, dLow!.Value, mean);
        context.Return(dLow.Value);
        context.Return(low!.Value);
    }

    /// <summary>The slope of the soft cap at the logit of a token, whose row of W is given; 1 without a cap.</summary>
    private float TargetSlope(ReadOnlySpan<float> h, ReadOnlySpan<float> row, ReadOnlySpan<float> low, int token)
    {
        if (cap == 0) return 1;
        var logit = VectorMath.Dot(h, row);
        if (Lora is not null) logit += VectorMath.Dot(low, Lora.B.AsMatrix(Lora.B.Values)[token]);
        var tanh = MathF.Tanh(scale * logit / cap);
        return 1 - tanh * tanh;
    }

    /// <summary>Adds to the gradients of W and B, and computes dLow = g B.</summary>
    private void AddGradients(EngineContext context, Matrix h, ReadOnlyMemory<int> targets, float[] logSums, float[] coefficients, Matrix? low,
        Matrix? dLow)
    {
        dLow?.Clear();
        ForEachChunk(context, h, low, (z, row, first) =>
        {
            context.ForRows(z.Rows, (z, row, first, targets, logSums, coefficients, scale, cap), static (loop, i) =>
            {
                var row = loop.row + i;
                var logits = loop.z[i];
                var target = loop.targets.Span[row] - loop.first;
                var slope = 1f;
                if (loop.cap == 0)
                {
                    VectorMath.ExpShifted(logits, loop.logSums[row]);
                }
                else
                {
                    if ((uint)target < (uint)logits.Length) slope -= logits[target] / loop.cap * (logits[target] / loop.cap);
                    VectorMath.ExpShiftedTimesSlope(logits, loop.logSums[row], loop.cap);
                }
                if ((uint)target < (uint)logits.Length) logits[target] -= slope;
                VectorMath.Scale(logits, loop.coefficients[row] * loop.scale);
            });
            var transposed = new Operand(z).Transposed;
            if (Weight.Parameter is not null)
                context.Multiply(transposed, h.RowRange(row, z.Rows), Weight.Gradient.RowRange(first, z.Columns), accumulate: true);
            for (var i = 0; bias?.Parameter is not null && i < z.Rows; i++)
                VectorMath.AddScaled(z[i], 1 / scale, bias.Parameter.Gradient.AsSpan(first, z.Columns));
            if (Lora is null) return;
            var (values, gradient) = (Lora.B.AsMatrix(Lora.B.Values), Lora.B.AsMatrix(Lora.B.Gradient));
            context.Multiply(transposed, low!.Value.RowRange(row, z.Rows), gradient.RowRange(first, z.Columns), accumulate: true);
            context.Multiply(z, values.RowRange(first, z.Columns), dLow!.Value.RowRange(row, z.Rows), accumulate: true);
        });
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
                Project(context, h.RowRange(row, rows), low?.RowRange(row, rows), first, z);
                body(z, row, first);
                context.Return(z);
            }
        }
    }

    /// <summary>Computes all logits z[B x V], for decoding.</summary>
    public void Logits(EngineContext context, Matrix h, Matrix z)
    {
        var low = Lora?.Low(context, h);
        Project(context, h, low, 0, z);
        if (low is { } rented) context.Return(rented);
    }

    /// <summary>Computes the logits of the tokens from <paramref name="first"/> on.</summary>
    private void Project(EngineContext context, Matrix h, Matrix? low, int first, Matrix z)
    {
        var addend = bias?.RepeatedRow(h.Rows).Slice(0, h.Rows, first, z.Columns);
        var term = new Term(h, Weight.Operand.RowRange(first, z.Columns).Transposed);
        var second = low is { } factor ? new Term(factor, new Operand(Lora!.B.AsMatrix(Lora.B.Values).RowRange(first, z.Columns)).Transposed)
            : (Term?)null;
        MatrixProduct.Multiply(context.Workers, new Product(z, addend, term, second, scale));
        if (cap > 0) context.ForRows(z.Rows, (z, cap), static (loop, row) => VectorMath.SoftCap(loop.z[row], loop.cap));
    }
}
