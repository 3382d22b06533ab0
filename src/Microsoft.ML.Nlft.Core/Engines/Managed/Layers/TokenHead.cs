using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// The output layer at the R rows that predict a response token: log p = z_y - log sum exp(z) with z = s h W^T + b. Logits exist for one chunk of the
/// vocabulary and one block of rows at a time. Since d log p / dh = s (W_y - E[W]), the mean over p, a forward pass of training accumulates that mean
/// chunk by chunk (rescaled whenever a larger logit appears, as in online softmax), and the backward pass needs no logits. A row may ask for more
/// tokens than y. With a soft cap c (0: none) the logits are c tanh(z / c), and each row of W counts times the slope of the cap at its logit.
/// </summary>
internal sealed class TokenHead(Weight weight, float scale, float cap = 0, Weight? bias = null)
{
    private const int Chunk = 2048, RowBlock = 1024;

    /// <summary>The output matrix [V x H]; the embedding if the weights are tied.</summary>
    public Weight Weight { get; } = weight;

    /// <summary>The adapter's factors, which make z = s (h W^T + low B^T), or null.</summary>
    public LoraFactors? Lora { get; set; }

    /// <summary>Computes the log-probabilities of the asked tokens, log-sum-exps and whether no token is likelier than y_t, for h[R x H].</summary>
    /// <param name="context">Threads and the pool of arrays.</param>
    /// <param name="h">The output of the final norm.</param>
    /// <param name="asked">The tokens of each of the R rows.</param>
    /// <param name="logProbabilities">Receives log p of each.</param>
    /// <param name="logSums">Receives log sum exp(z).</param>
    /// <param name="mostLikely">Receives whether no logit exceeds that of y_t.</param>
    /// <param name="mean">Receives E[W] [R x H], of rows times slopes, for the backward pass; null if there will be none.</param>
    /// <param name="likeliest">Receives the likeliest tokens; null: none are asked for.</param>
    public void Forward(EngineContext context, Matrix h, AskedTokens asked, float[] logProbabilities, float[] logSums, bool[] mostLikely,
        Matrix? mean, LikeliestTokens? likeliest = null)
    {
        mean?.Clear();
        var running = context.Rent(2, h.Rows); // the largest logit so far, and the sum of exp(z - largest)
        running[0].Fill(float.NegativeInfinity);
        running[1].Clear();
        var low = Lora?.Low(context, h);
        ForEachChunk(context, h, low, (z, row, first) =>
        {
            context.ForRows(z.Rows, (z, row, first, asked, logProbabilities, running, mean, cap, likeliest), static (loop, i) =>
            {
                var row = loop.row + i;
                var logits = loop.z[i];
                for (var t = loop.asked.Firsts[row]; t < loop.asked.Firsts[row + 1]; t++)
                {
                    var token = loop.asked.Tokens[t] - loop.first;
                    if ((uint)token < (uint)logits.Length) loop.logProbabilities[t] = logits[token];
                }
                loop.likeliest?.Offer(row, logits, loop.first);
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
            mostLikely[row] = logProbabilities[asked.Firsts[row]] >= max;
            logSums[row] = (float)logSum;
            for (var t = asked.Firsts[row]; t < asked.Firsts[row + 1]; t++) logProbabilities[t] = (float)Math.Min(0, logProbabilities[t] - logSum);
            likeliest?.Normalize(row, logSum);
            if (mean is { } matrix) VectorMath.Scale(matrix[row], 1 / sum);
        }
        context.Return(running);
        if (low is { } rented) context.Return(rented);
    }

    /// <summary>
    /// With c_k the coefficients of a row's asked tokens and c their sum, computes dh = s (c E[W] - sum c_k W_k), which replaces
    /// <paramref name="mean"/>. With g = s (c softmax(z) - sum c_k onehot(k)), it also computes dW += g^T h if W is trainable, and with factors
    /// dB += g^T low and what g B, the gradient of low, gives for A and h. With a soft cap, rows of W and columns of g count times their slopes. The
    /// gradient of the bias is that of z.
    /// </summary>
    public void Backward(EngineContext context, Matrix h, AskedTokens asked, float[] logProbabilities, float[] logSums, float[] coefficients,
        Matrix mean)
    {
        var (low, dLow) = Lora is null ? ((Matrix?)null, (Matrix?)null) : (Lora.Low(context, h), context.Rent(h.Rows, Lora.Rank));
        var rows = new Gradients(asked, logProbabilities, logSums, coefficients, scale, cap);
        if (Weight.Parameter is not null || Lora is not null) AddGradients(context, h, rows, low, dLow);
        var tokenRows = context.Rent(h.Rows, h.Columns);
        context.ForRows(h.Rows, (weight: Weight, rows, mean, tokenRows), static (loop, row) =>
        {
            var rows = loop.rows;
            var token = loop.tokenRows[row];
            var mean = loop.mean[row];
            var (first, end) = rows.Of(row);
            if (end == first + 1) // c (E[W] - W_y): the difference first, because it is small where y is likely
            {
                loop.weight.ReadRow(rows.Asked.Tokens[first], token);
                VectorMath.AddScaled(token, -rows.Slope(first, row), mean);
                VectorMath.Scale(mean, rows.Scaled(first));
                return;
            }
            VectorMath.Scale(mean, rows.Sum(row));
            for (var t = first; t < end; t++)
            {
                if (rows.Scaled(t) == 0) continue;
                loop.weight.ReadRow(rows.Asked.Tokens[t], token);
                VectorMath.AddScaled(token, -rows.Scaled(t) * rows.Slope(t, row), mean);
            }
        });
        context.Return(tokenRows);
        if (Lora is null) return;
        Lora.LowBackward(context, h, dLow!.Value, mean);
        context.Return(dLow.Value);
        context.Return(low!.Value);
    }

    /// <summary>Adds to the gradients of W and B, and computes dLow = g B.</summary>
    private void AddGradients(EngineContext context, Matrix h, Gradients rows, Matrix? low, Matrix? dLow)
    {
        dLow?.Clear();
        ForEachChunk(context, h, low, (z, row, first) =>
        {
            context.ForRows(z.Rows, (z, row, first, rows, cap), static (loop, i) =>
            {
                var (rows, row) = (loop.rows, loop.row + i);
                var logits = loop.z[i];
                if (loop.cap == 0) VectorMath.ExpShifted(logits, rows.LogSums[row]);
                else VectorMath.ExpShiftedTimesSlope(logits, rows.LogSums[row], loop.cap);
                var (start, end) = rows.Of(row);
                if (end == start + 1) // c (softmax - onehot): the difference first
                {
                    var target = rows.Asked.Tokens[start] - loop.first;
                    if ((uint)target < (uint)logits.Length) logits[target] -= rows.Slope(start, row);
                    VectorMath.Scale(logits, rows.Scaled(start));
                    return;
                }
                VectorMath.Scale(logits, rows.Sum(row));
                for (var t = start; t < end; t++)
                {
                    var token = rows.Asked.Tokens[t] - loop.first;
                    if ((uint)token < (uint)logits.Length) logits[token] -= rows.Scaled(t) * rows.Slope(t, row);
                }
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

    /// <summary>What a backward pass knows about the asked tokens.</summary>
    private readonly record struct Gradients(
        AskedTokens Asked, float[] LogProbabilities, float[] LogSums, float[] Coefficients, float Scale, float Cap)
    {
        /// <summary>The places of a row's tokens.</summary>
        public (int First, int End) Of(int row) => (Asked.Firsts[row], Asked.Firsts[row + 1]);

        /// <summary>s c_k.</summary>
        public float Scaled(int place) => Coefficients[place] * Scale;

        /// <summary>s sum c_k of a row, which often cancels: in double precision.</summary>
        public float Sum(int row)
        {
            var sum = 0.0;
            for (var t = Asked.Firsts[row]; t < Asked.Firsts[row + 1]; t++) sum += Coefficients[t];
            return (float)(sum * Scale);
        }

        /// <summary>The slope 1 - (z / cap)^2 of the soft cap at a token's logit; 1 without a cap.</summary>
        public float Slope(int place, int row)
        {
            if (Cap == 0) return 1;
            var share = (LogProbabilities[place] + LogSums[row]) / Cap;
            return 1 - share * share;
        }
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
        MatrixProduct.Multiply(context.Workers, new Product(z, addend, term, second, scale, InDigits: context.InDigits));
        if (cap > 0) context.ForRows(z.Rows, (z, cap), static (loop, row) => VectorMath.SoftCap(loop.z[row], loop.cap));
    }
}
