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

    /// <summary>Whether anything here has a gradient.</summary>
    public bool IsTrainable => Lora is not null || Weight.Parameter is not null || Bias?.Parameter is not null;

    /// <summary>y[N x out] = residual[N x out] + the layer of x[N x in].</summary>
    public void Forward(EngineContext context, Matrix x, Matrix y, Matrix? residual = null)
    {
        var low = Lora?.Lower(context, x);
        var addend = Addend(context, y, residual);
        if (x.Rows <= FewRowsProduct.MostRows) FewRowsProduct.Multiply(context.Workers, Product(x, y, addend, low));
        else MatrixProduct.Multiply(context.Workers, y, addend, new Term(x, Weight.Operand.Transposed), low is { } matrix ? Lora!.Raise(matrix) : null);
        if (low is { } rented) context.Return(rented);
    }

    /// <summary>Up to three layers of the same input; with few rows, as in decoding, their products are shared out together.</summary>
    public static void Forward(EngineContext context, Matrix x, params ReadOnlySpan<(Linear Layer, Matrix Y)> layers)
    {
        if (x.Rows > FewRowsProduct.MostRows)
        {
            foreach (var (layer, y) in layers) layer.Forward(context, x, y);
            return;
        }
        Span<RowProduct> products = [default, default, default];
        products = products[..layers.Length];
        for (var i = 0; i < layers.Length; i++)
        {
            var (layer, y) = layers[i];
            products[i] = layer.Product(x, y, layer.Addend(context, y, null), layer.Lora?.Lower(context, x));
        }
        FewRowsProduct.Multiply(context.Workers, products);
        foreach (var product in products)
            if (product.Second is { } second) context.Return(second.A.Matrix);
    }

    private RowProduct Product(Matrix x, Matrix y, Matrix? addend, Matrix? low) =>
        new(y, addend, new Term(x, Weight.Operand), low is { } matrix ? Lora!.Raise(matrix) : null);

    /// <summary>What the product is added to: residual, bias, both (then in y) or nothing.</summary>
    private Matrix? Addend(EngineContext context, Matrix y, Matrix? residual)
    {
        if (Bias is null) return residual;
        if (residual is not { } other) return Bias.RepeatedRow(y.Rows);
        context.ForRows(y.Rows, (Bias, other, y), static (work, row) =>
        {
            work.other[row].CopyTo(work.y[row]);
            VectorMath.Add(work.Bias.Vector, work.y[row]);
        });
        return y;
    }

    /// <summary>dx[N x in] (+)= dy W, unless <paramref name="dx"/> is null, and the gradients of whatever is trainable.</summary>
    public void Backward(EngineContext context, Matrix x, Matrix dy, Matrix? dx, bool accumulate)
    {
        if (Weight.Parameter is not null) context.Multiply(new Operand(dy).Transposed, x, Weight.Gradient, accumulate: true);
        if (Bias?.Parameter is { } bias)
            for (var row = 0; row < dy.Rows; row++) VectorMath.Add(dy[row], bias.Gradient);
        var own = new Term(dy, Weight.Operand);
        if (Lora is not null) Lora.Backward(context, x, dy, own, dx, accumulate);
        else if (dx is { } target) MatrixProduct.Multiply(context.Workers, target, accumulate ? target : null, own);
    }
}
