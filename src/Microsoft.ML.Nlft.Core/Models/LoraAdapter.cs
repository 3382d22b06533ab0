namespace Microsoft.ML.Nlft.Models;

/// <summary>A LoRA adapter in memory: its configuration and its factors. Reads and writes the folder that PEFT reads and writes.</summary>
public sealed class LoraAdapter
{
    /// <summary>Creates an adapter.</summary>
    public LoraAdapter(LoraConfiguration configuration, IReadOnlyList<NamedTensor> factors) => (Configuration, Factors) = (configuration, factors);

    /// <summary>The settings.</summary>
    public LoraConfiguration Configuration { get; }

    /// <summary>The factors, named <c>MODULE.lora_A</c> (r x in) and <c>MODULE.lora_B</c> (out x r), for example <c>model.layers.0.mlp.up_proj.lora_A</c>.</summary>
    public IReadOnlyList<NamedTensor> Factors { get; }

    /// <summary>Reads adapter_config.json and adapter_model.safetensors.</summary>
    public static LoraAdapter Load(string folder) => throw new NotSupportedException();

    /// <summary>Writes adapter_config.json and adapter_model.safetensors.</summary>
    public void Save(string folder, string? baseModel = null) => throw new NotSupportedException();
}
