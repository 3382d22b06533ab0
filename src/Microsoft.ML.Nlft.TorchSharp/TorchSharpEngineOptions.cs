using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TorchSharp;

/// <summary>Options of the TorchSharp engine.</summary>
public sealed record TorchSharpEngineOptions
{
    /// <summary>
    /// The device: <c>cpu</c>, <c>cuda</c> (the first GPU) or <c>cuda:N</c>. A device named here is never replaced. Null (default):
    /// <see cref="GpuDeviceId"/> decides, and without it the first GPU, or the CPU where there is none; several processes of a job on one machine
    /// take its GPUs in turn.
    /// </summary>
    public string? Device { get; init; }

    /// <summary>
    /// The GPU's number, 0 or more. Null (default) leaves the choice open: to <c>MLContext.GpuDeviceId</c>, with its <c>FallbackToCpu</c>, where the
    /// engine is used through ML.NET and that is set. Not together with <see cref="Device"/>.
    /// </summary>
    public int? GpuDeviceId { get; init; }

    /// <summary>Whether to use the CPU when <see cref="Device"/> is null and no GPU can be used. Default true.</summary>
    public bool FallbackToCpu { get; init; } = true;

    /// <summary>
    /// The type of frozen weights, activations and products: BF16 or F32. Null (default): BF16 on a GPU, F32 on the CPU. Trainable weights,
    /// their gradients, the optimizer, sums and softmax are float32 in any case.
    /// </summary>
    public TensorType? ComputeType { get; init; }

    /// <summary>
    /// Whether the frozen matrices of the decoder layers are held as int8 with one scale per row (absmax, rounded to nearest) and widened
    /// layer by layer: about half the memory of BF16, with an error of up to half a step of 1/127 of the row's largest weight. Implies
    /// <see cref="RecomputeActivations"/>; not possible when all weights are trained. Default false.
    /// </summary>
    public bool Int8Weights { get; init; }

    /// <summary>
    /// Whether the frozen matrices of the decoder layers are held in 4 bits, in blocks of 32 elements of a row by the rule of Q4_0 in GGUF files, and
    /// widened layer by layer: less than a third of the memory of BF16. The error of a weight is at most 1/8 of the largest magnitude in its block.
    /// Implies <see cref="RecomputeActivations"/>; not together with <see cref="Int8Weights"/>, and not possible when all weights are trained.
    /// Default false.
    /// </summary>
    public bool Int4Weights { get; init; }

    /// <summary>
    /// Whether a training pass keeps only the input of every layer and recomputes the rest in the backward pass: about a third more time, far less
    /// memory. Default false.
    /// </summary>
    public bool RecomputeActivations { get; init; }

    /// <summary>Threads of libtorch on the CPU, 1 or more, for the whole process; 0 (default) leaves libtorch's own choice.</summary>
    public int Threads { get; init; }
}
