using Microsoft.ML.Nlft.Models;

namespace Microsoft.ML.Nlft.TorchSharp.Layers;

/// <summary>
/// Dropout masks from the device's own generator, seeded anew for every sequence and module: a mask depends on the sequence's dropout seed,
/// its length, the module and the kind of device, on nothing else, and comes out the same when activations are computed again.
/// </summary>
internal sealed class Dropout(Device device)
{
    private readonly Generator _generator = new(0, device);

    /// <summary>[N, features], true where kept.</summary>
    public Tensor Mask(PackedBatch batch, ulong module, double probability, long features)
    {
        var mask = empty(batch.Rows, features, ScalarType.Bool, device);
        for (var s = 0; s < batch.Count; s++)
        {
            _generator.manual_seed((long)SplitMix64.Hash(batch.DropoutSeeds[s], module));
            mask.narrow(0, batch.Starts[s], batch.Length(s)).bernoulli_(1 - probability, _generator);
        }
        return mask;
    }
}
