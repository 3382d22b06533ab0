namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// A decoder layer in a training pass: what the backward pass needs of it. Autograd differentiates attention, and the layer differentiates its
/// feed-forward network by hand where <see cref="DecoderLayer.IsByHand"/>; otherwise autograd differentiates all of it.
/// </summary>
/// <param name="layer">The layer.</param>
/// <param name="x">Its input [N, H], which the graph owns.</param>
/// <param name="rows">The rows whose outputs are needed; null: all.</param>
/// <param name="needsGradient">Whether the gradient of the input is needed.</param>
internal sealed class LayerGraph(DecoderLayer layer, Tensor x, Tensor? rows, bool needsGradient) : IDisposable
{
    private readonly Graph _graph = new(x, needsGradient); // to m where the feed-forward network is differentiated by hand, else to y
    private Tensor[] _products = []; // gate and up of that network

    /// <summary>Returns y[N, H], or [R, H]: keeps what the backward pass needs or, to be recomputed there, nothing but x.</summary>
    public Tensor Forward(PassContext context, bool recompute)
    {
        if (recompute) return layer.Forward(context, _graph.Input, rows);
        Build(context);
        return layer.IsByHand ? layer.AddDown(context, _graph.Output!.detach(), _products, rows) : _graph.Output!.detach();
    }

    /// <summary>
    /// Adds the gradients of the trained tensors and returns dx, or something else if no gradient of the input is needed. Frees what was kept.
    /// </summary>
    public Tensor Backward(PassContext context, Tensor dy)
    {
        if (_graph.Output is null) Build(context);
        if (!layer.IsByHand) return _graph.Backward(dy);
        var m = _graph.Output!;
        using var dm = layer.Backward(context, m.detach(), _products, dy, rows, needed: m.requires_grad);
        FreeProducts();
        return _graph.Backward(dm);
    }

    public void Dispose()
    {
        FreeProducts();
        _graph.Dispose();
    }

    private void Build(PassContext context)
    {
        using (enable_grad())
            _graph.Keep(layer.IsByHand ? layer.AddAttention(context, _graph.Input, rows) : layer.Forward(context, _graph.Input, rows));
        if (!layer.IsByHand) return;
        using var off = no_grad();
        _products = layer.GateUp(context, _graph.Output!.detach(), rows);
        foreach (var product in _products) product.DetachFromDisposeScope();
    }

    private void FreeProducts()
    {
        foreach (var product in _products) product.Dispose();
        _products = [];
    }
}
