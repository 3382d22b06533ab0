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
        var addend = residual;
        if (Bias is not null)
        {
            addend = residual is null ? Bias.RepeatedRow(x.Rows) : y;
            if (residual is { } other)
                context.ForRows(y.Rows, (Bias, other, y), static (work, row) =>
                {
                    work.other[row].CopyTo(work.y[row]);
                    VectorMath.Add(work.Bias.Vector, work.y[row]);
                });
        }
        if (Lora is null)
        {
            Multiply(context, x, y, addend, null);
            return;
        }
        var low = Lora.Lower(context, x);
        Multiply(context, x, y, addend, Lora.Raise(low));
        context.Return(low);
    }

    private void Multiply(EngineContext context, Matrix x, Matrix y, Matrix? addend, Term? lora)
    {
        if (x.Rows <= FewRowsProduct.MostRows) FewRowsProduct.Multiply(context.Workers, y, addend, new Term(x, Weight.Operand), lora);
        else MatrixProduct.Multiply(context.Workers, y, addend, new Term(x, Weight.Operand.Transposed), lora);
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
