using Microsoft.ML.Nlft.Engines.Managed.Kernels;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>A linear layer, y = x W^T + bias, optionally with a LoRA adapter, <see cref="LoraFactors"/>.</summary>
internal sealed class Linear(string module, Weight weight, Weight? bias)
{
    /// <summary>The module's path, for example model.layers.0.mlp.gate_proj.</summary>
    public string Module { get; } = module;
    public Weight Weight { get; } = weight;
    public Weight? Bias { get; set; } = bias;
    public LoraFactors? Lora { get; set; }

    public int Inputs => Weight.Columns;
    public int Outputs => Weight.Rows;

    /// <summary>Whether any tensor of the layer is trainable.</summary>
    public bool IsTrainable => Lora is not null || Weight.Parameter is not null || Bias?.Parameter is not null;

    /// <summary>Computes y[N x out] = residual[N x out] + linear(x[N x in]).</summary>
    public void Forward(EngineContext context, Matrix x, Matrix y, Matrix? residual = null)
    {
        var product = Product(context, x, y, residual);
        MatrixProduct.Multiply(context.Workers, product);
        Finish(context, product, residual);
    }

    /// <summary>Runs up to three layers on the same input, with their products computed as one set of tasks.</summary>
    public static void Forward(EngineContext context, Matrix x, params ReadOnlySpan<(Linear Layer, Matrix Y)> layers)
    {
        Span<Product> products = [default, default, default];
        products = products[..layers.Length];
        for (var i = 0; i < layers.Length; i++) products[i] = layers[i].Layer.Product(context, x, layers[i].Y, null);
        MatrixProduct.Multiply(context.Workers, products);
        for (var i = 0; i < layers.Length; i++) layers[i].Layer.Finish(context, products[i], null);
    }

    private Product Product(EngineContext context, Matrix x, Matrix y, Matrix? residual) =>
        new(y, Lora is { IsPlain: false } ? null : Addend(context, y, residual), new Term(x, Weight.Operand.Transposed), Lora?.Term(context, x),
            InDigits: context.InDigits);

    /// <summary>Returns the matrix that the adapter's term rented, and does what an adapter with more than two factors does to the product.</summary>
    private void Finish(EngineContext context, Product product, Matrix? residual)
    {
        if (product.Second?.A.Matrix is { } low) context.Return(low);
        if (Lora is { IsPlain: false }) Lora.Finish(context, Weight, Bias, product.C, residual);
    }

    /// <summary>What the product is added to: the residual, the bias, their sum (then stored in y) or nothing.</summary>
    private Matrix? Addend(EngineContext context, Matrix y, Matrix? residual)
    {
        if (Bias is null) return residual;
        if (residual is not { } other) return Bias.RepeatedRow(y.Rows);
        context.ForRows(y.Rows, (Bias, other, y), static (loop, row) =>
        {
            loop.other[row].CopyTo(loop.y[row]);
            VectorMath.Add(loop.Bias.Vector, loop.y[row]);
        });
        return y;
    }

    /// <summary>Computes dx[N x in] (+)= dy W, unless <paramref name="dx"/> is null, and adds to the gradients of the trainable tensors.</summary>
    public void Backward(EngineContext context, Matrix x, Matrix dy, Matrix? dx, bool accumulate)
    {
        if (Bias?.Parameter is { } bias)
        {
            for (var row = 0; row < dy.Rows; row++) VectorMath.Add(dy[row], bias.Gradient);
        }
        var product = Lora is { IsPlain: false } ? Lora.FinishBackward(context, Weight, x, dy) : dy;
        if (Weight.Parameter is not null)
        {
            var (left, right) = Weight.IsTransposed ? (x, product) : (product, x);
            context.Multiply(new Operand(left).Transposed, right, Weight.Gradient, accumulate: true);
        }
        var term = new Term(product, Weight.Operand);
        if (Lora is not null) Lora.Backward(context, x, product, term, dx, accumulate);
        else if (dx is { } target) MatrixProduct.Multiply(context.Workers, new Product(target, accumulate ? target : null, term));
        if (!ReferenceEquals(product.Data, dy.Data)) context.Return(product);
    }
}
