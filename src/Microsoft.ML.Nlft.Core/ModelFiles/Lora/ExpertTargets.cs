namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// What PEFT calls the adapted matrices of experts. In transformers 5 they are two parameters of one module, stacks of the matrices of all experts,
/// and PEFT adapts them by target_parameters; in earlier versions they were linear layers, whose names PEFT translates. The name gate_up_proj is
/// accepted as well.
/// </summary>
internal static class ExpertTargets
{
    private const string Experts = ".experts", GateUp = "gate_up_proj", Down = "down_proj", Inner = ".base_layer";

    /// <summary>The parameters by the names of the linear layers that they were.</summary>
    private static readonly Dictionary<string, string> s_parameters = new(StringComparer.Ordinal)
    {
        ["gate"] = "gate.weight",
        ["w1"] = GateUp,
        ["w3"] = GateUp,
        ["w2"] = Down,
        ["gate_proj"] = GateUp,
        ["up_proj"] = GateUp,
        [GateUp] = GateUp,
        ["down_proj"] = Down,
    };

    /// <summary>What factors of experts and routers are named by.</summary>
    private static readonly ModuleNames s_owners = new() { Qkv = [], Output = "mlp.gate", GateUp = ["mlp.experts.base_layer"], Down = "mlp.experts" };

    /// <summary>The linear layers of a decoder layer that are none of experts.</summary>
    private static readonly string[] s_attention = ["q_proj", "k_proj", "v_proj", "o_proj"];

    /// <summary>Returns the path of a module's parameter: a stack of experts is one itself.</summary>
    public static string ParameterOf(string module) => IsStack(module) ? module : module + ".weight";

    /// <summary>
    /// Returns the name of a module's factors. PEFT wraps the module of the experts once for each parameter, gate_up_proj first: where there are two
    /// wrappers, it is in the inner one.
    /// </summary>
    public static string FactorsOf(string module, LoraConfiguration lora)
    {
        if (!IsStack(module)) return module;
        var holder = module[..module.LastIndexOf('.')];
        return IsGateUp(module) && lora.Resolve($"{holder}.{Down}") is not null ? holder + Inner : holder;
    }

    /// <summary>Returns the module that factors of that name belong to.</summary>
    public static string ModuleOf(string factors, LoraConfiguration lora)
    {
        if (factors.EndsWith(Experts + Inner, StringComparison.Ordinal)) return $"{factors[..^Inner.Length]}.{GateUp}";
        if (!factors.EndsWith(Experts, StringComparison.Ordinal)) return factors;
        return lora.Resolve($"{factors}.{Down}") is not null ? $"{factors}.{Down}" : $"{factors}.{GateUp}";
    }

    /// <summary>Whether factors of that name belong to experts or a router.</summary>
    public static bool IsOwner(string factors) => s_owners.IsLinear(factors);

    /// <summary>Whether a module is a linear layer of one expert.</summary>
    public static bool IsOfOneExpert(string module) => module.Split('.') is [.., "experts", var number, _] && int.TryParse(number, out _);

    /// <summary>Whether a module is a stack of experts' matrices.</summary>
    public static bool IsStack(string module) => IsGateUp(module) || module.EndsWith($"{Experts}.{Down}", StringComparison.Ordinal);

    /// <summary>See <see cref="LoraConfiguration.For"/>.</summary>
    public static LoraConfiguration Convert(LoraConfiguration lora, ModelConfiguration model)
    {
        if (model.Experts is null || (lora.TargetPattern is not null && !lora.IsAllLinear)) return lora;
        var names = lora.IsAllLinear ? [.. s_attention, "gate", "gate_proj", "up_proj", "down_proj"] : lora.TargetModules;
        var ofExperts = names.ToLookup(name => s_parameters.GetValueOrDefault(Last(name)));
        if (!lora.IsAllLinear && ofExperts[null].Count() == names.Count) return lora;
        var parameters = ofExperts.Select(group => group.Key).OfType<string>().Concat(lora.TargetParameters).Distinct();
        var converted = lora with
        {
            Dropout = 0,
            TargetPattern = null,
            TargetModules = [.. ofExperts[null]],
            TargetParameters = [.. parameters.Order(StringComparer.Ordinal)],
        };
        string[] fused = [.. ofExperts[GateUp].Select(Last).Where(name => name != GateUp)];
        if (fused.Length == 0) return converted;
        if (!fused.Intersect(["w1", "gate_proj"]).Any() || !fused.Intersect(["w3", "up_proj"]).Any())
        {
            throw LoraConfiguration.Fault(nameof(lora.TargetModules), string.Join(", ", lora.TargetModules),
                "gate_proj and up_proj, or none of the two", "Name both: the experts' gate and up are adapted together.");
        }
        const string Key = $@".*\.{GateUp}";
        return converted with
        {
            RankPattern = new OrderedDictionary<string, int>(lora.RankPattern) { [Key] = 2 * lora.Rank },
            AlphaPattern = new OrderedDictionary<string, double>(lora.AlphaPattern) { [Key] = 2 * lora.Alpha },
        };
    }

    private static bool IsGateUp(string module) => module.EndsWith($"{Experts}.{GateUp}", StringComparison.Ordinal);

    private static string Last(string name) => name[(name.LastIndexOf('.') + 1)..];
}
