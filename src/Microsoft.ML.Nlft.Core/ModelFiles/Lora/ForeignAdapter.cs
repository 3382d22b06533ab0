using System.Text.RegularExpressions;
using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>Names what was found in place of an adapter that PEFT's save_pretrained wrote.</summary>
internal static partial class ForeignAdapter
{
    private const string Expected = "an adapter: adapter_config.json and adapter_model.safetensors";
    private const string Fuse =
        "Fuse it into its model with mlx_lm.fuse and use that model, or train the adapter here: mlx-lm transposes and scales its factors otherwise.";

    /// <summary>The remedy for an adapter of something else than the linear layers of the decoder.</summary>
    public const string Merge =
        "Use an adapter with LoRA factors on the linear layers of the decoder only, or merge it into its base model with PEFT.";

    /// <summary>Refuses a folder without adapter_config.json by what it holds.</summary>
    public static void RequireFolder(string folder)
    {
        if (!Directory.Exists(folder))
        {
            throw new NlftException(folder, File.Exists(folder) ? "a file" : "no such folder", $"the folder of {Expected}",
                "Name the folder itself.");
        }
        if (FilePresence.Fault(Path.Combine(folder, LoraAdapterFolder.ConfigurationFile)) is not FilePresence.Nothing) return;
        string[] names = [.. Directory.EnumerateFiles(folder).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];
        if (Array.Find(names, CheckpointName().IsMatch) is { } checkpoint)
        {
            throw Fault($"a folder of checkpoints ({checkpoint})",
                "Name the folder that the run saved its adapter to; checkpoints are for resuming the run that wrote them.");
        }
        var below = Directory.EnumerateDirectories(folder).Where(path => File.Exists(Path.Combine(path, LoraAdapterFolder.ConfigurationFile)))
            .Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal).ToList();
        if (below.Count > 0) throw Fault($"a folder with adapters in folders below it ({string.Join(", ", below)})", "Name one of these folders.");
        if (names.Contains("adapters.safetensors") || names.Contains("adapters.npz")) throw Fault("an adapter of mlx-lm", Fuse);
        if (names.Contains("config.json")) throw Fault("a model folder", "Use it as the model, without an adapter.");
        if (names.Contains(LoraAdapterFolder.WeightsFile))
            throw Fault($"{LoraAdapterFolder.WeightsFile} without adapter_config.json", "Put the adapter_config.json that belongs to it beside it.");

        NlftException Fault(string found, string remedy) => new(folder, found, Expected, remedy);
    }

    /// <summary>Refuses the settings of other libraries, whose file has the same name.</summary>
    public static void RequirePeft(JsonPlace keys)
    {
        if (!keys["peft_type"].IsMissing) return;
        if (!keys["fine_tune_type"].IsMissing || !keys["lora_parameters"].IsMissing)
            throw new NlftException(keys.Source.File, "the settings of an mlx-lm adapter", "those of an adapter of PEFT", Fuse);
    }

    /// <summary>Returns the refusal of a tensor that is not a LoRA factor of a linear layer, by its name.</summary>
    public static NlftException Tensor(string path, string name)
    {
        var (found, remedy) = name switch
        {
            _ when NamedFactor().Match(name) is { Success: true } match => (
                $"a factor with the adapter's name \"{match.Groups[1].Value}\" in it, as state_dict() names it",
                "Save the adapter with PEFT's save_pretrained, which leaves the name out."),
            _ when name.Contains(".lora_magnitude_vector", StringComparison.Ordinal) => ("the magnitudes of DoRA", Merge),
            _ when name.Contains(".lora_embedding_", StringComparison.Ordinal) => ("a factor of an embedding", Merge),
            _ when name.EndsWith(".lora_B.bias", StringComparison.Ordinal) => ("a bias of a factor (lora_bias)", Merge),
            _ when name.Contains(".base_layer.", StringComparison.Ordinal) => ("a weight of the base model, stored with the adapter", Merge),
            _ when name.EndsWith(".lora_a", StringComparison.Ordinal) || name.EndsWith(".lora_b", StringComparison.Ordinal)
                => ("a factor of mlx-lm", Fuse),
            _ when name.EndsWith("embed_tokens.weight", StringComparison.Ordinal) || name.EndsWith("lm_head.weight", StringComparison.Ordinal)
                => ("a whole matrix, which the adapter replaces (modules_to_save, or an enlarged vocabulary)", Merge),
            _ => ("a tensor that is not a LoRA factor", Merge),
        };
        return new NlftException($"{path}, tensor \"{name}\"", found, "base_model.model.MODULE.lora_A.weight or .lora_B.weight", remedy);
    }

    [GeneratedRegex(@"\Astep-[0-9]+\.safetensors\z")]
    private static partial Regex CheckpointName();

    [GeneratedRegex(@"\.lora_[AB]\.([^.]+)\.weight\z")]
    private static partial Regex NamedFactor();
}
