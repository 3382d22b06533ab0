namespace Microsoft.ML.Nlft.Models;

/// <summary>A LoRA adapter's settings (Hu et al., arXiv 2106.09685), with the names of PEFT's adapter_config.json: y = W x + scaling * B A dropout(x).</summary>
public sealed record LoraConfiguration
{
    /// <summary>Rank r of the factors, 1 or more. Default 16.</summary>
    public int Rank { get; init; } = 16;

    /// <summary>Alpha: scaling is alpha / r, or alpha / sqrt(r) with <see cref="UseRankStabilizedScaling"/>. Default 16.</summary>
    public double Alpha { get; init; } = 16;

    /// <summary>Probability of dropping an input feature of the adapter while training, in [0, 1). Default 0.05.</summary>
    public double Dropout { get; init; } = 0.05;

    /// <summary>The last name of every linear layer that is adapted. Default gate_proj, up_proj, down_proj.</summary>
    public IReadOnlyList<string> TargetModules { get; init; } = ["gate_proj", "up_proj", "down_proj"];

    /// <summary>Whether scaling is alpha / sqrt(r) (rsLoRA, arXiv 2312.03732). Default false.</summary>
    public bool UseRankStabilizedScaling { get; init; }
}
