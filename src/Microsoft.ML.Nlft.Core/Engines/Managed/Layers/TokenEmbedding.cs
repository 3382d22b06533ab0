using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>
/// The embedding: x_t = multiplier * (W_t + the adapter's share) + P_t, with the row of W [V x H] for each token and, in a model that has them, that
/// of P for its position.
/// </summary>
internal sealed class TokenEmbedding(Weight weight, float multiplier, Weight? positions)
{
    /// <summary>W.</summary>
    public Weight Weight { get; } = weight;

    /// <summary>The adapter's factors, or null.</summary>
    public EmbeddingFactors? Lora { get; set; }

    /// <summary>Whether any tensor is trainable.</summary>
    public bool IsTrainable => Weight.Parameter is not null || Lora is not null;

    /// <summary>Returns the embedding of every token of the batch, x[N x H], in a rented matrix.</summary>
    public Matrix Forward(EngineContext context)
    {
        var x = context.Rent(context.Batch.Rows, Weight.Columns);
        context.ForRows(x.Rows, (Weight, context.Batch.Tokens, x), static (loop, row) => loop.Weight.ReadRow(loop.Tokens[row], loop.x[row]));
        Lora?.AddTo(context, x);
        if (multiplier != 1) context.ForRows(x.Rows, (x, multiplier), static (loop, row) => VectorMath.Scale(loop.x[row], loop.multiplier));
        if (positions is null) return x;
        var p = context.Rent(x.Rows, x.Columns);
        context.ForRows(x.Rows, (positions, context.Batch.Positions, p, x), static (loop, row) =>
        {
            loop.positions.ReadRow(loop.Positions[row], loop.p[row]);
            VectorMath.Add(loop.p[row], loop.x[row]);
        });
        context.Return(p);
        return x;
    }

    /// <summary>Adds to the gradients of the trainable tensors, given that of x.</summary>
    public void Backward(EngineContext context, Matrix gradient)
    {
        if (Weight.Parameter is not null)
        {
            for (var row = 0; row < gradient.Rows; row++)
                VectorMath.AddScaled(gradient[row], multiplier, Weight.Gradient[context.Batch.Tokens[row]]);
        }
        if (positions?.Parameter is not null)
        {
            for (var row = 0; row < gradient.Rows; row++) VectorMath.Add(gradient[row], positions.Gradient[context.Batch.Positions[row]]);
        }
        Lora?.Backward(context, gradient, multiplier);
    }
}

/// <summary>
/// The LoRA factors of the embedding, A [r x V] and B [H x r]: x_t += scaling * B A_t with the column of A for each token. No dropout applies, as in
/// PEFT.
/// </summary>
internal sealed class EmbeddingFactors(Parameter a, Parameter b, double scaling)
{
    private readonly float _scaling = (float)scaling;

    private int Rank => a.Shape[0];

    /// <summary>Computes x += scaling * u B^T, u the columns of A for the tokens.</summary>
    public void AddTo(EngineContext context, Matrix x)
    {
        var u = Columns(context);
        context.Multiply(u, new Operand(b.AsMatrix(b.Values)).Transposed, x, _scaling, accumulate: true);
        context.Return(u);
    }

    /// <summary>With g = multiplier * scaling * gradient, computes dB += g^T u and adds the rows of g B to the columns of dA.</summary>
    public void Backward(EngineContext context, Matrix gradient, float multiplier)
    {
        Matrix u = Columns(context), columns = context.Rent(u.Rows, Rank);
        context.Multiply(new Operand(gradient).Transposed, u, b.AsMatrix(b.Gradient), multiplier * _scaling, accumulate: true);
        context.Multiply(gradient, b.AsMatrix(b.Values), columns, multiplier * _scaling);
        var target = a.AsMatrix(a.Gradient);
        for (var row = 0; row < columns.Rows; row++)
        {
            for (var k = 0; k < Rank; k++) target[k][context.Batch.Tokens[row]] += columns[row][k];
        }
        context.Return(u);
        context.Return(columns);
    }

    private Matrix Columns(EngineContext context)
    {
        var u = context.Rent(context.Batch.Rows, Rank);
        var source = a.AsMatrix(a.Values);
        for (var row = 0; row < u.Rows; row++)
        {
            for (var k = 0; k < Rank; k++) u[row][k] = source[k][context.Batch.Tokens[row]];
        }
        return u;
    }
}
