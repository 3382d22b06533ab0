using Microsoft.ML.Nlft.ModelFiles;
using static TorchSharp.torch.nn;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// A mixture of experts; see <see cref="ExpertConfiguration"/>. The rows of an expert are gathered, so that it computes its own tokens only. Rows are
/// moved by permutations, never added by index, so that sums have one order on a GPU too.
/// </summary>
internal sealed class Experts(ModelConfiguration model, Linear router, Expert[] experts, DeviceContext device) : IFeedForward
{
    private readonly ExpertConfiguration _configuration = model.Experts!;

    public IEnumerable<Linear> Linears => [router];

    /// <summary>The adapters of gate and up, and of down; null for none.</summary>
    public ExpertFactors? GateUp { get; set; }
    public ExpertFactors? Down { get; set; }

    public bool IsTrainable => router.IsTrainable || GateUp is { IsTrainable: true } || Down is { IsTrainable: true }
        || Array.Exists(experts, expert => expert.Gate.IsTrainable);

    public Tensor Forward(PassContext context, Tensor x, Tensor? rows, Tensor? residual)
    {
        using var scope = NewDisposeScope();
        var (tokens, width, k) = (x.shape[0], x.shape[1], _configuration.PerToken);
        var (weights, chosen) = router.Forward(context, x, rows).softmax(1, float32).topk(k, 1);
        if (_configuration.NormalizeWeights) weights = weights / weights.sum(1, keepdim: true);
        var (counts, order, inverse) = Sort(chosen);
        var sorted = x.unsqueeze(1).expand(tokens, k, width).reshape(tokens * k, width).index_select(0, device.Indices(order));

        var used = Enumerable.Range(0, experts.Length).Where(expert => counts[expert] > 0).ToArray();
        var inputs = sorted.split([.. used.Select(expert => (long)counts[expert])]);
        var (gateUp, down) = (GateUp?.ByExpert(), Down?.ByExpert());
        var outputs = used.Select((expert, i) => Run(context, expert, inputs[i], gateUp, down)).ToArray();
        var unsorted = cat(outputs).index_select(0, device.Indices(inverse)).view(tokens, k, width);
        var y = (unsorted * weights.to_type(x.dtype).unsqueeze(2)).sum(1);
        return (residual is null ? y : residual.Plus(y)).MoveToOuterDisposeScope();
    }

    private Tensor Run(PassContext context, int expert, Tensor x, (Tensor[] A, Tensor[] B)? gateUp, (Tensor[] A, Tensor[] B)? down)
    {
        var (gate, up) = (experts[expert].Gate.Forward(context, x), experts[expert].Up.Forward(context, x));
        if (gateUp is { } first)
        {
            var change = GateUp!.Change(x, first.A[expert], first.B[expert]).chunk(2, 1);
            (gate, up) = (gate.Plus(change[0]), up.Plus(change[1]));
        }
        var activated = FeedForward.Activate(model.Activation, gate) * up;
        var y = experts[expert].Down.Forward(context, activated);
        return down is { } second ? y.Plus(Down!.Change(activated, second.A[expert], second.B[expert])) : y;
    }

    /// <summary>Sorts the chosen experts [N, k]: the number of rows of every expert, the permutation that sorts the rows, and its inverse.</summary>
    private (int[] Counts, int[] Order, int[] Inverse) Sort(Tensor chosen)
    {
        var numbers = chosen.cpu().data<long>().ToArray();
        var (counts, next) = (new int[experts.Length], new int[experts.Length]);
        foreach (var expert in numbers) counts[expert]++;
        for (var expert = 1; expert < next.Length; expert++) next[expert] = next[expert - 1] + counts[expert - 1];
        var (order, inverse) = (new int[numbers.Length], new int[numbers.Length]);
        for (var i = 0; i < numbers.Length; i++)
        {
            inverse[i] = next[numbers[i]]++;
            order[inverse[i]] = i;
        }
        return (counts, order, inverse);
    }
}

/// <summary>The linear layers of an expert.</summary>
internal sealed record Expert(Linear Gate, Linear Up, Linear Down);

/// <summary>The LoRA factors of a stack of E experts: A [E, r, in] and B [out, r, E], as PEFT stores them.</summary>
/// <param name="a">A.</param>
/// <param name="b">B.</param>
/// <param name="experts">E.</param>
/// <param name="scaling">The factor on the product.</param>
internal sealed class ExpertFactors(Parameter a, Parameter b, int experts, double scaling)
{
    private readonly Scalar _scaling = scaling;

    public bool IsTrainable => a.Gradient is not null;

    /// <summary>Returns A [r, in] and B [out, r] of every expert, as views whose gradients are put together once.</summary>
    public (Tensor[] A, Tensor[] B) ByExpert() =>
        (a.Values.view(experts, -1, a.Shape[1]).unbind(0), b.Values.view(b.Shape[0], -1, experts).unbind(2));

    /// <summary>Returns scaling * x A^T B^T.</summary>
    public Tensor Change(Tensor x, Tensor a, Tensor b) =>
        functional.linear(functional.linear(x, a.to_type(x.dtype)), b.to_type(x.dtype)) * _scaling;
}
