namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>A float tensor with a name, row-major: the form in which engines import and export weights, gradients and optimizer state.</summary>
/// <param name="Name">
/// For LoRA the module path and the factor, for example <c>model.layers.0.mlp.gate_proj.lora_A</c>; for full weights the name in the model's
/// safetensors file.
/// </param>
/// <param name="Shape">Dimensions, outermost first; lora_A is r x in, lora_B is out x r.</param>
/// <param name="Values">The values in row-major order.</param>
public sealed record NamedTensor(string Name, int[] Shape, float[] Values);
