namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// Reads and writes PEFT's adapter folder. Its keys are <c>base_model.model.MODULE.lora_A.weight</c> and the like, and for a weight or bias of an
/// adapted module <c>base_model.model.MODULE.base_layer.weight</c>; in memory, names keep only the module and its part (<see cref="LoraLayout"/>).
/// </summary>
internal static class LoraAdapterFolder
{
    public const string ConfigurationFile = "adapter_config.json";
    public const string WeightsFile = "adapter_model.safetensors";

    private const string Prefix = "base_model.model.";
    private const string Inner = ".base_layer"; // where PEFT keeps an adapted module
    private const string Incomplete = "Save the adapter again with PEFT's save_pretrained, or download the whole folder again.";

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
        var factors = file.Entries.Select(entry => Read(file, entry, configuration)).OrderBy(factor => factor.Name, StringComparer.Ordinal).ToList();
        Check(factors, configuration, path);
        return new LoraAdapter(configuration, factors) { BaseModel = baseModel };
    }

    /// <summary>Returns the two files with what writes them.</summary>
    public static (string Path, Action<Stream> Write)[] Files(LoraAdapter adapter, string folder, string? baseModel)
    {
        adapter.Configuration.Validate();
        var path = Path.Combine(folder, WeightsFile);
        Check(adapter.Factors, adapter.Configuration, path);
        var tensors = adapter.Factors.Select(factor => SafetensorsSource.From(factor with { Name = Key(factor.Name, adapter.Configuration) },
            TensorType.F32));
        return
        [
            (path, stream => SafetensorsWriter.WriteTo(stream, path, tensors)),
            (Path.Combine(folder, ConfigurationFile), stream => stream.Write(LoraConfigurationJson.Write(adapter.Configuration, baseModel))),
        ];
    }

    private static NamedTensor Read(SafetensorsFile file, SafetensorsEntry entry, LoraConfiguration configuration)
    {
        var place = $"{file.Path}, tensor \"{entry.Name}\"";
        var name = Name(entry.Name);
        if (name is null || !Belongs(name, configuration) || Key(name, configuration) != entry.Name)
            throw ForeignAdapter.Tensor(file.Path, entry.Name);
        if (!entry.Type.IsSupportedFloat())
        {
            throw new NlftException(place, $"element type {entry.Type.FileName()}", "F32, F16, BF16 or F64",
                "Save the adapter in one of these types.");
        }
        var dimensions = Dimensions(name);
        if (entry.Shape.Length != dimensions || !entry.Shape.All(size => size is > 0 and <= int.MaxValue))
        {
            throw new NlftException(place, $"shape {TensorTypes.Text(entry.Shape)}", dimensions == 2 ? "two sizes above 0" : "one size above 0",
                Incomplete);
        }
        return new NamedTensor(name, [.. entry.Shape.Select(size => (int)size)], file.Tensor(entry.Name).ToArray());
    }

    /// <summary>Returns the name in memory of a key; null for a key that no adapter has.</summary>
    private static string? Name(string key)
    {
        if (!key.StartsWith(Prefix, StringComparison.Ordinal)) return null;
        var name = key[Prefix.Length..];
        var (module, part) = LoraLayout.Split(name);
        return part switch
        {
            LoraLayout.Weight when LoraLayout.Split(module).Part is LoraLayout.A or LoraLayout.B => module,
            LoraLayout.Weight or LoraLayout.Bias => module.EndsWith(Inner, StringComparison.Ordinal) ? module[..^Inner.Length] + part : name,
            "" or LoraLayout.A or LoraLayout.B => null,
            _ => name,
        };
    }

    /// <summary>Returns the key of a tensor.</summary>
    private static string Key(string name, LoraConfiguration configuration)
    {
        var (module, part) = LoraLayout.Split(name);
        return Prefix + part switch
        {
            LoraLayout.A or LoraLayout.B => name + LoraLayout.Weight,
            LoraLayout.Weight or LoraLayout.Bias when configuration.Resolve(module) is not null => module + Inner + part,
            _ => name,
        };
    }

    /// <summary>Whether the settings ask for tensors of this kind.</summary>
    private static bool Belongs(string name, LoraConfiguration configuration) => LoraLayout.Split(name) switch
    {
        (_, LoraLayout.Magnitude) => configuration.UseDora,
        (_, LoraLayout.BiasOfB) => configuration.LoraBias,
        (_, LoraLayout.Bias) => configuration.Bias != TrainedBiases.None,
        (var module, LoraLayout.Weight) => LoraLayout.IsEnd(module),
        (var module, LoraLayout.EmbeddingA or LoraLayout.EmbeddingB) => configuration.Resolve(module) is not null,
        _ => true,
    };

    private static int Dimensions(string name) =>
        LoraLayout.Split(name).Part is LoraLayout.Magnitude or LoraLayout.BiasOfB or LoraLayout.Bias ? 1 : 2;

    /// <summary>Whether a module can have such a part.</summary>
    private static bool Has(string module, string part) => part switch
    {
        LoraLayout.Weight => LoraLayout.IsEnd(module),
        LoraLayout.EmbeddingA or LoraLayout.EmbeddingB => ModelArchitecture.IsEmbedding(module),
        LoraLayout.A or LoraLayout.B => IsLinear(module) || ModelArchitecture.IsHead(module),
        "" => false,
        _ => IsLinear(module),
    };

    private static bool IsLinear(string module) => ModelArchitecture.IsLinear(module) || ExpertTargets.IsOwner(module);

    /// <summary>Checks that factors are complete, have the configured rank and belong to targeted modules.</summary>
    private static void Check(IReadOnlyList<NamedTensor> factors, LoraConfiguration configuration, string path)
    {
        if (!factors.Any(factor => LoraLayout.Split(factor.Name).Part is LoraLayout.A or LoraLayout.B or LoraLayout.EmbeddingA))
            throw new NlftException(path, "no factors", "lora_A and lora_B of at least one linear layer", Incomplete);
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var factor in factors)
        {
            var (owner, part) = LoraLayout.Split(factor.Name);
            if (ExpertTargets.IsOfOneExpert(owner))
            {
                throw Fault(factor.Name, "a factor of one expert, as transformers 4 has them", "factors of all experts together (target_parameters)",
                    "Load it with PEFT on transformers 5 and save it again with save_pretrained.");
            }
            if (!Has(owner, part))
            {
                throw Fault(factor.Name, "a module that cannot be adapted",
                    "a linear layer of the decoder, such as model.layers.N.self_attn.q_proj or model.layers.N.mlp.up_proj", ForeignAdapter.Merge);
            }
            var module = ExpertTargets.ModuleOf(owner, configuration);
            var target = configuration.Resolve(module) is { } found && found.Factors == owner ? found : null;
            if (target is null && part != LoraLayout.Weight && !(part == LoraLayout.Bias && configuration.Bias == TrainedBiases.All))
            {
                throw Fault(factor.Name, "a factor of a module that target_modules does not name", "factors of targeted modules",
                    "Correct target_modules in adapter_config.json, or take the file that belongs to it.");
            }
            var fits = (part, factor.Shape) switch
            {
                (LoraLayout.A or LoraLayout.EmbeddingA, [var rank, _]) => IsRank(rank),
                (LoraLayout.B or LoraLayout.EmbeddingB, [_, var rank]) => IsRank(rank),
                (_, var shape) => shape.Length == Dimensions(factor.Name),
            };
            if (!fits)
            {
                var expected = part switch
                {
                    LoraLayout.A or LoraLayout.EmbeddingA => $"[{target?.Rank}, inputs], as the rank is {target?.Rank}",
                    LoraLayout.B or LoraLayout.EmbeddingB => $"[outputs, {target?.Rank}], as the rank is {target?.Rank}",
                    LoraLayout.Weight => "[vocabulary, hidden size]",
                    _ => "[outputs]",
                };
                throw Fault(factor.Name, $"shape [{string.Join(", ", factor.Shape)}]", expected,
                    "Correct r or rank_pattern, or take the file that belongs to the settings.");
            }
            if (!names.Add(factor.Name)) throw Fault(factor.Name, "the factor twice", "every factor once", Incomplete);

            bool IsRank(int rank) => target is not null && (rank == target.Rank || (ExpertTargets.IsStack(module) && rank % target.Rank == 0));
        }
        foreach (var factor in factors)
        {
            var (module, part) = LoraLayout.Split(factor.Name);
            if (part is LoraLayout.Weight or LoraLayout.Bias) continue;
            var counterpart = part switch
            {
                LoraLayout.A => LoraLayout.B,
                LoraLayout.EmbeddingA => LoraLayout.EmbeddingB,
                LoraLayout.EmbeddingB => LoraLayout.EmbeddingA,
                _ => LoraLayout.A,
            };
            Require(module + counterpart, $"the counterpart of {part[1..]}");
            if (configuration.UseDora) Require(module + LoraLayout.Magnitude, "the magnitudes of the module, as use_dora is true");
            if (configuration.LoraBias) Require(module + LoraLayout.BiasOfB, "the bias of lora_B, as lora_bias is true");
        }

        void Require(string name, string expected)
        {
            if (!names.Contains(name)) throw Fault(name, "no such factor", expected, Incomplete);
        }

        NlftException Fault(string name, string found, string expected, string remedy) =>
            new($"{path}, tensor \"{Key(name, configuration)}\"", found, expected, remedy);
    }
}
