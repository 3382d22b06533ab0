using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>A linear layer y = x W^T + bias, with a LoRA adapter or without: + scaling * dropout(x) A^T B^T.</summary>
internal sealed class Linear(string module, Weight weight, Weight? bias)
{
    /// <summary>The module's path, for example model.layers.0.mlp.gate_proj.</summary>
    public string Module { get; } = module;
    public Weight Weight { get; } = weight;
    public Weight? Bias { get; } = bias;
    public LoraFactors? Lora { get; set; }

    public int Inputs => Weight.Columns;
    public int Outputs => Weight.Rows;

    /// <summary>y[N x out] from x[N x in].</summary>
    public void Forward(EngineContext context, Matrix x, Matrix y)
    {
        if (x.Rows <= FewRowsProduct.MostRows) FewRowsProduct.Multiply(context.Workers, context.Workspace, x, Weight.Operand, y);
        else context.Multiply(x, Weight.Operand.Transposed, y);
        if (Bias is not null)
            context.Workers.ForBlocks(y.Rows, EngineContext.RowBlock, (start, end) =>
            {
                for (var row = start; row < end; row++) VectorMath.Add(Bias.Vector, y[row]);
            });
        Lora?.Forward(context, x, y);
    }

    /// <summary>dx[N x in] (+)= dy W, and the gradients of whatever is trainable.</summary>
    public void Backward(EngineContext context, Matrix x, Matrix dy, Matrix dx, bool accumulate)
    {
        context.Multiply(dy, Weight.Operand, dx, accumulate: accumulate);
        if (Weight.Parameter is not null) context.Multiply(new Operand(dy).Transposed, x, Weight.Gradient, accumulate: true);
        if (Bias?.Parameter is { } bias)
            for (var row = 0; row < dy.Rows; row++) VectorMath.Add(dy[row], bias.Gradient);
        Lora?.Backward(context, x, dy, dx);
    }
}

/// <summary>The two factors of one adapted layer, A [r x in] and B [out x r], trainable or not.</summary>
internal sealed class LoraFactors
{
    private readonly ulong _key;
    private readonly double _dropout;
    private readonly float _scaling;

    public LoraFactors(string module, Parameter a, Parameter b, double scaling, double dropout) =>
        (A, B, _scaling, _dropout, _key) = (a, b, (float)scaling, dropout, SplitMix64.Hash(module.AsSpan()));

    public Parameter A { get; }
    public Parameter B { get; }

    private int Rank => A.Shape[0];

    /// <summary>y += scaling * drop(x) A^T B^T.</summary>
    public void Forward(EngineContext context, Matrix x, Matrix y)
    {
        var dropped = Drop(context, x);
        var low = context.Rent(x.Rows, Rank);
        context.Multiply(dropped, new Operand(View(A.Values, A)).Transposed, low);
        context.Multiply(low, new Operand(View(B.Values, B)).Transposed, y, _scaling, accumulate: true);
        Free(context, x, dropped);
        context.Return(low);
    }

    /// <summary>With u = drop(x) A^T and g = scaling * dy B: dB += scaling * dy^T u, dA += g^T drop(x), dx += drop'(g A).</summary>
    public void Backward(EngineContext context, Matrix x, Matrix dy, Matrix dx)
    {
        var dropped = Drop(context, x);
        Matrix low = context.Rent(x.Rows, Rank), g = context.Rent(x.Rows, Rank);
        context.Multiply(dropped, new Operand(View(A.Values, A)).Transposed, low);
        context.Multiply(new Operand(dy).Transposed, low, View(B.Gradient, B), _scaling, accumulate: true);
        context.Multiply(dy, View(B.Values, B), g, _scaling);
        context.Multiply(new Operand(g).Transposed, dropped, View(A.Gradient, A), accumulate: true);
        if (Drops(context))
        {
            context.Multiply(g, View(A.Values, A), dropped); // its values are no longer needed
            Dropout.Apply(context, _key, _dropout, dropped, dropped);
            context.Workers.ForBlocks(dx.Rows, EngineContext.RowBlock, (start, end) =>
            {
                for (var row = start; row < end; row++) VectorMath.Add(dropped[row], dx[row]);
            });
        }
        else context.Multiply(g, View(A.Values, A), dx, accumulate: true);
        Free(context, x, dropped);
        context.Return(low);
        context.Return(g);
    }

    private static Matrix View(float[] data, Parameter parameter) => new(data, parameter.Shape[0], parameter.Shape[1]);

    private bool Drops(EngineContext context) => context.Training && _dropout > 0;

    private Matrix Drop(EngineContext context, Matrix x)
    {
        if (!Drops(context)) return x;
        var dropped = context.Rent(x.Rows, x.Columns);
        Dropout.Apply(context, _key, _dropout, x, dropped);
        return dropped;
    }

    private static void Free(EngineContext context, Matrix x, Matrix dropped)
    {
        if (!ReferenceEquals(x.Data, dropped.Data)) context.Return(dropped);
    }
}
