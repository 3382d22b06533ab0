using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.TorchSharp;

namespace Microsoft.ML.Nlft.Tool.Inspection;

/// <summary>The memory that an engine needs with an option, in bytes by kind.</summary>
internal sealed record MemoryRow(string Engine, string Use, long Weights, long Cache, long Trained, long Activations)
{
    /// <summary>The sum of all kinds.</summary>
    public long Sum => Weights + Cache + Trained + Activations;

    /// <summary>Estimates a model's memory for every engine and option.</summary>
    /// <param name="model">The model.</param>
    /// <param name="lora">The adapter to train.</param>
    /// <param name="rows">Rows per micro-batch.</param>
    /// <param name="tokens">Tokens of prompt and response per row.</param>
    public static IReadOnlyList<MemoryRow> Of(ModelFacts model, LoraConfiguration lora, int rows, int tokens)
    {
        // The managed engine keeps matrices in the file's type; vectors, and types wider than a float, become float32.
        var held = model.Tensors.Sum(tensor => tensor.Shape.Length > 1 && tensor.Type != TensorType.F64 ? tensor.HeldBytes : 4 * tensor.Elements);
        var managed = new MemoryEstimate(model.Configuration, held, rows, tokens);
        var torch = new TorchSharpMemoryEstimate(model.Configuration, TensorType.BF16, (long)rows * tokens);
        var adapter = MemoryEstimate.AdapterParameters(lora, model.Configuration);
        var (trained, copied) = (MemoryEstimate.Trained(adapter), TorchSharpMemoryEstimate.Trained(adapter, TensorType.BF16));
        return
        [
            new("managed", "generate", managed.Weights, managed.Cache, 0, 0),
            new("managed", "train", managed.Weights, 0, trained, managed.Activations(recompute: false)),
            new("managed", "train --recompute-activations", managed.Weights, 0, trained, managed.Activations(recompute: true)),
            new("managed", "train --int8-weights", managed.Int8Weights, 0, trained, managed.Activations(recompute: false)),
            new("managed", "train --int4-weights", managed.Int4Weights, 0, trained, managed.Activations(recompute: true)),
            new("managed", "train --weights all", 0, 0, MemoryEstimate.Trained(managed.Parameters), managed.Activations(recompute: false)),
            new("torchsharp", "generate", torch.Weights, torch.Cache, 0, 0),
            new("torchsharp", "train", torch.Weights, 0, copied, torch.Activations(lora, recompute: false)),
            new("torchsharp", "train, RecomputeActivations", torch.Weights, 0, copied, torch.Activations(lora, recompute: true)),
            new("torchsharp", "train, Int8Weights", torch.Int8Weights, 0, copied, torch.Activations(lora, recompute: true)),
            new("torchsharp", "train, Int4Weights", torch.Int4Weights, 0, copied, torch.Activations(lora, recompute: true)),
        ];
    }
}
