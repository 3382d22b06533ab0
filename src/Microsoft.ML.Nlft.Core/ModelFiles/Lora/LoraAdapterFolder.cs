using Microsoft.ML.Nlft.Common;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// Reads and writes PEFT's adapter folder. Its keys are <c>base_model.model.MODULE.lora_A.weight</c>; in memory, names keep only the module and the
/// factor.
/// </summary>
internal static class LoraAdapterFolder
{
    public const string ConfigurationFile = "adapter_config.json";
    public const string WeightsFile = "adapter_model.safetensors";

    private const string Prefix = "base_model.model.";
    private const string Suffix = ".weight";
    private const int FactorEnd = 7; // the length of .lora_A
    private const string Incomplete = "Save the adapter again with PEFT's save_pretrained, or download the whole folder again.";

    private static readonly HashSet<string> Linears =
    [
        "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
        "mlp.gate", "mlp.experts", "mlp.experts.base_layer",
    ];

    public static LoraAdapter Load(string folder)
    {
        ForeignAdapter.RequireFolder(folder);
        var (configuration, baseModel) = LoraConfigurationJson.Load(Path.Combine(folder, ConfigurationFile));
        var path = Path.Combine(folder, WeightsFile);
        if (!File.Exists(path) && File.Exists(Path.Combine(folder, "adapter_model.bin")))
        {
            throw new NlftException(Path.Combine(folder, "adapter_model.bin"), "a pickled weight file", WeightsFile,
                "Load it with PEFT and save it again with save_pretrained(folder, safe_serialization=True).");
        }
        using var file = SafetensorsFile.Open(path);
        var factors = file.Entries.Select(entry => Read(file, entry)).OrderBy(factor => factor.Name, StringComparer.Ordinal).ToList();
        Check(factors, configuration, path);
        return new LoraAdapter(configuration, factors) { BaseModel = baseModel };
    }

    public static void Save(LoraAdapter adapter, string folder, string? baseModel)
    {
        adapter.Configuration.Validate();
        var path = Path.Combine(folder, WeightsFile);
        Check(adapter.Factors, adapter.Configuration, path);
        var tensors = adapter.Factors.Select(factor => SafetensorsSource.From(factor with { Name = Prefix + factor.Name + Suffix }, TensorType.F32));
        AtomicFile.WriteAll(
            (path, stream => SafetensorsWriter.WriteTo(stream, path, tensors)),
            (Path.Combine(folder, ConfigurationFile), stream => stream.Write(LoraConfigurationJson.Write(adapter.Configuration, baseModel))));
    }

    private static NamedTensor Read(SafetensorsFile file, SafetensorsEntry entry)
    {
        var place = $"{file.Path}, tensor \"{entry.Name}\"";
        var name = entry.Name;
        if (!name.StartsWith(Prefix, StringComparison.Ordinal) || !name.EndsWith(Suffix, StringComparison.Ordinal)
            || !IsFactor(name[..^Suffix.Length]))
        {
            throw ForeignAdapter.Tensor(file.Path, name);
        }
        if (!entry.Type.IsSupportedFloat())
        {
            throw new NlftException(place, $"element type {entry.Type.FileName()}", "F32, F16, BF16 or F64",
                "Save the adapter in one of these types.");
        }
        if (entry.Shape is not [> 0 and <= int.MaxValue, > 0 and <= int.MaxValue])
            throw new NlftException(place, $"shape {TensorTypes.Text(entry.Shape)}", "two sizes above 0", Incomplete);
        var tensor = file.Tensor(name);
        return new NamedTensor(name[Prefix.Length..^Suffix.Length], [(int)entry.Shape[0], (int)entry.Shape[1]], tensor.ToArray());
    }

    /// <summary>Checks that factors come in pairs, have the configured rank and belong to targeted modules.</summary>
    private static void Check(IReadOnlyList<NamedTensor> factors, LoraConfiguration configuration, string path)
    {
        if (factors.Count == 0) throw new NlftException(path, "no factors", "lora_A and lora_B of at least one linear layer", Incomplete);
        var byName = new Dictionary<string, NamedTensor>(StringComparer.Ordinal);
        foreach (var factor in factors)
        {
            if (!IsFactor(factor.Name) || !IsLinear(factor.Name[..^FactorEnd]))
            {
                throw Fault(factor.Name, "a module that cannot be adapted",
                    "model.layers.N.self_attn.{q,k,v,o}_proj or model.layers.N.mlp.{gate,up,down}_proj", ForeignAdapter.Merge);
            }
            var module = ExpertTargets.ModuleOf(factor.Name[..^FactorEnd], configuration);
            var target = configuration.Resolve(module) is { } found && found.Factors == factor.Name[..^FactorEnd] ? found
                : throw Fault(factor.Name, "a factor of a module that target_modules does not name", "factors of targeted modules",
                    "Correct target_modules in adapter_config.json, or take the file that belongs to it.");
            var isA = factor.Name[^1] == 'A';
            var rank = factor.Shape.Length == 2 ? factor.Shape[isA ? 0 : 1] : 0;
            if (rank != target.Rank && (rank == 0 || rank % target.Rank != 0 || !ExpertTargets.IsStack(module)))
            {
                throw Fault(factor.Name, $"shape [{string.Join(", ", factor.Shape)}]",
                    $"{(isA ? $"[{target.Rank}, inputs]" : $"[outputs, {target.Rank}]")}, as the rank is {target.Rank}",
                    "Correct r or rank_pattern, or take the file that belongs to the settings.");
            }
            if (!byName.TryAdd(factor.Name, factor)) throw Fault(factor.Name, "the factor twice", "every factor once", Incomplete);
        }
        foreach (var factor in factors)
        {
            var other = factor.Name[..^1] + (factor.Name[^1] == 'A' ? 'B' : 'A');
            if (!byName.ContainsKey(other)) throw Fault(other, "no such factor", $"the counterpart of {factor.Name[^6..]}", Incomplete);
        }

        NlftException Fault(string name, string found, string expected, string remedy) =>
            new($"{path}, tensor \"{Prefix}{name}{Suffix}\"", found, expected, remedy);
    }

    private static bool IsFactor(string name) =>
        name.EndsWith(".lora_A", StringComparison.Ordinal) || name.EndsWith(".lora_B", StringComparison.Ordinal);

    private static bool IsLinear(string module) =>
        module.Split('.', 4) is ["model", "layers", var layer, var rest] && int.TryParse(layer, out var number) && number >= 0
            && layer == $"{number}" && Linears.Contains(rest);
}
