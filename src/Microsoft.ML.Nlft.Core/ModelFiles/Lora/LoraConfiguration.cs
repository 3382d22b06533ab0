using System.Collections.Concurrent;

namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>
/// A LoRA adapter's settings (Hu et al., arXiv 2106.09685), named as in PEFT's adapter_config.json:
/// y = W x + scaling * B A dropout(x).
/// </summary>
public sealed record LoraConfiguration
{
    /// <summary>The value of <see cref="TargetPattern"/> that means every linear layer of the decoder layers.</summary>
    public const string AllLinear = "all-linear";

    /// <summary>Largest rank that is accepted.</summary>
    public const int MaximumRank = 1 << 16;

    private static readonly IReadOnlyList<string> s_feedForward = ["gate_proj", "up_proj", "down_proj"];

    private readonly Prepared _prepared = new();

    /// <summary>Rank r of the factors, from 1 to 65536. Default 16.</summary>
    public int Rank { get; init; } = 16;

    /// <summary>Alpha, above 0: scaling is alpha / r, or alpha / sqrt(r) with <see cref="UseRankStabilizedScaling"/>. Default 16.</summary>
    public double Alpha { get; init; } = 16;

    /// <summary>
    /// Probability of dropping an input feature of the adapter while training, in [0, 1). Default 0.05; 0 where experts are adapted, because PEFT has
    /// no dropout for parameters.
    /// </summary>
    public double Dropout { get; init; } = 0.05;

    /// <summary>
    /// The linear layers that are adapted: last names (<c>up_proj</c>), longer suffixes of their paths, or whole paths; also the embedding
    /// (<c>embed_tokens</c>) and the output layer (<c>lm_head</c>). Default gate_proj, up_proj, down_proj: in a fresh adapter for a model that has
    /// no such names, its own feed-forward network. Not used when there is a <see cref="TargetPattern"/>.
    /// </summary>
    public IReadOnlyList<string> TargetModules { get; init; } = s_feedForward;

    /// <summary>
    /// <see cref="AllLinear"/>, or a regular expression that the whole module path must match; null (default): <see cref="TargetModules"/>
    /// says what is adapted.
    /// </summary>
    public string? TargetPattern { get; init; }

    /// <summary>
    /// Parameters that are adapted without being the weight of a targeted layer, as suffixes of their paths (target_parameters): the experts'
    /// <c>gate_up_proj</c> and <c>down_proj</c>, the router's <c>gate.weight</c>. Needs a <see cref="Dropout"/> of 0. Default none: where
    /// <see cref="TargetModules"/> names gate_proj, up_proj, down_proj or gate, or all linear layers, those of the experts follow from it.
    /// </summary>
    public IReadOnlyList<string> TargetParameters { get; init; } = [];

    /// <summary>Targeted modules to leave out, written like <see cref="TargetModules"/> (exclude_modules). Default none.</summary>
    public IReadOnlyList<string> ExcludedModules { get; init; } = [];

    /// <summary>
    /// A regular expression that excludes the modules whose whole path matches it; null (default): only <see cref="ExcludedModules"/>
    /// excludes.
    /// </summary>
    public string? ExcludedPattern { get; init; }

    /// <summary>
    /// Only these layers are adapted (layers_to_transform); null (default): all. Needs <see cref="TargetModules"/>; parameters are adapted in all
    /// layers.
    /// </summary>
    public IReadOnlyList<int>? Layers { get; init; }

    /// <summary>
    /// Ranks that differ from <see cref="Rank"/>: the key is a regular expression for the end of the module path, the first match applies.
    /// </summary>
    public IReadOnlyDictionary<string, int> RankPattern { get; init; } = new Dictionary<string, int>();

    /// <summary>Alphas that differ from <see cref="Alpha"/>, with keys like <see cref="RankPattern"/>'s.</summary>
    public IReadOnlyDictionary<string, double> AlphaPattern { get; init; } = new Dictionary<string, double>();

    /// <summary>Whether scaling is alpha / sqrt(r) (rsLoRA, arXiv 2312.03732). Default false.</summary>
    public bool UseRankStabilizedScaling { get; init; }

    /// <summary>
    /// Whether the adapted layers store their matrices input by output (fan_in_fan_out), as those of gpt2 do; a fresh adapter has it right.
    /// It says how the base model is stored: the factors are the same. Default false.
    /// </summary>
    internal bool FanInFanOut { get; init; }

    /// <summary>
    /// Whether every output gets a trained magnitude m as well (DoRA, arXiv 2402.09353): y = (m / n) (W x + scaling * B A dropout(x)), where n is the
    /// norm of the output's row of W + scaling * B A; no gradient flows through n. Default false.
    /// </summary>
    public bool UseDora { get; init; }

    /// <summary>
    /// Whether B has a trained bias b (lora_bias): y = W x + scaling * (B A dropout(x) + b). Not with <see cref="UseDora"/>. Default false.
    /// </summary>
    public bool LoraBias { get; init; }

    /// <summary>Which biases of the model are trained and stored with the adapter (bias). Default none.</summary>
    public TrainedBiases Bias { get; init; }

    /// <summary>
    /// The modules that are trained as a whole and stored with the adapter (modules_to_save): <c>embed_tokens</c>, <c>lm_head</c> or both. In a
    /// model whose output layer is its embedding, a module that is trained so is one of its own. Default none.
    /// </summary>
    public IReadOnlyList<string> ModulesToSave { get; init; } = [];

    /// <summary>Reads adapter_config.json alone, without the factors.</summary>
    /// <param name="path">adapter_config.json, or its folder.</param>
    /// <exception cref="NlftException">The file is missing or damaged, or a setting is out of range or not supported.</exception>
    public static LoraConfiguration Load(string path) =>
        LoraConfigurationJson.Load(Directory.Exists(path) ? Path.Combine(path, LoraAdapterFolder.ConfigurationFile) : path).Configuration;

    /// <summary>Returns the rank and scaling of a linear layer, by PEFT's matching rules.</summary>
    /// <param name="module">Module path, for example <c>model.layers.0.mlp.up_proj</c>: <see cref="LinearModule.Name"/>.</param>
    /// <returns>Null when the layer is not adapted.</returns>
    public LoraTarget? Resolve(string module)
    {
        var parameter = ExpertTargets.ParameterOf(module);
        var name = IsNamed(parameter, TargetParameters) ? parameter : parameter != module && IsTargeted(module) ? module : null;
        if (name is null) return null;
        var rank = FirstMatch(RankPattern, nameof(RankPattern), name, Rank);
        var alpha = FirstMatch(AlphaPattern, nameof(AlphaPattern), name, Alpha);
        return new LoraTarget(module, rank, alpha, alpha / (UseRankStabilizedScaling ? Math.Sqrt(rank) : rank))
        {
            Factors = ExpertTargets.FactorsOf(module, this),
        };
    }

    /// <summary>Returns the adapted layers of a model, in the order of the forward pass.</summary>
    /// <exception cref="NlftException">There are none.</exception>
    public IReadOnlyList<LoraTarget> Resolve(ModelConfiguration model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var lora = ExpertTargets.Convert(this, model);
        lora.Validate();
        var (embedding, head) = (ModelLayout.EmbeddingModule(model), ModelLayout.HeadModule(model));
        var targets = ModelLayout.AdaptableModules(model).Select(module => lora.Resolve(module.Name)).OfType<LoraTarget>().ToList();
        if (targets.Find(target => target.Module == embedding || target.Module == head) is { } end && (UseDora || LoraBias || Saves(end.Module)))
        {
            throw Fault(nameof(TargetModules), end.Module, "no embedding or output layer beside UseDora, LoraBias and the same in ModulesToSave",
                "Leave it out.");
        }
        if (ModulesToSave.FirstOrDefault(name => !IsNamed(embedding, [name]) && !IsNamed(head, [name])) is { } other)
            throw Fault(nameof(ModulesToSave), other, $"{embedding}, {head} or both", "Name these alone.");
        if (Saves(head) && model.HeadBias)
            throw Fault(nameof(ModulesToSave), head, "an output layer without a bias", "Leave it out, or adapt it by factors (TargetModules).");
        if (Bias == TrainedBiases.All && (model.HeadBias || model.NormKind == NormKind.Layer))
            throw Fault(nameof(Bias), Bias, "None or LoraOnly in a model whose norms or output layer have biases", "Use LoraOnly.");
        if (Bias != TrainedBiases.None && model.HeadBias && targets.Exists(target => target.Module == head))
            throw Fault(nameof(Bias), Bias, "None beside an adapted output layer with a bias", "Use None, or leave the output layer out.");
        return targets.Count > 0 ? targets
            : throw Fault(TargetPattern is null ? nameof(TargetModules) : nameof(TargetPattern), TargetPattern ?? string.Join(", ", TargetModules),
                "at least one layer of the model", $"Name some of {string.Join(", ", NamesIn(model))}.");
    }

    /// <summary>
    /// Returns the settings of a fresh adapter for a model, as PEFT has them: the default modules are those of its own feed-forward network; where
    /// there are experts, the names of their projections and of the router become <see cref="TargetParameters"/>, without dropout; gate and up, which
    /// are one parameter there, take twice the rank and alpha.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <exception cref="NlftException">Of gate and up only one is named.</exception>
    public LoraConfiguration For(ModelConfiguration model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var lora = FanInFanOut == model.TransposedWeights ? this : this with { FanInFanOut = model.TransposedWeights };
        var names = ModelArchitecture.Of(model.ModelType)?.Modules ?? new();
        return names.GateUp.Count == 1 && TargetPattern is null && TargetModules.SequenceEqual(s_feedForward)
            ? lora with { TargetModules = [.. names.GateUp, names.Down] } : ExpertTargets.Convert(lora, model);
    }

    private static IEnumerable<string> NamesIn(ModelConfiguration model) =>
        ModelLayout.Layer(model, 0).Linears.Select(linear => linear.Name[(linear.Name.LastIndexOf('.') + 1)..]).Distinct();

    /// <summary>Checks every setting against its range.</summary>
    /// <exception cref="NlftException">One is out of range; the message names it.</exception>
    public void Validate()
    {
        if (Rank is < 1 or > MaximumRank) throw Fault(nameof(Rank), Rank, $"an integer from 1 to {MaximumRank}");
        if (!(Alpha > 0 && double.IsFinite(Alpha))) throw Fault(nameof(Alpha), Alpha, "a finite number above 0");
        if (!(Dropout >= 0 && Dropout < 1)) throw Fault(nameof(Dropout), Dropout, "a number of at least 0 and below 1", "Set 0 to turn dropout off.");
        if (TargetParameters.Count > 0) RequireFactorsAlone();
        if (TargetPattern is null && TargetModules.Count == 0 && TargetParameters.Count == 0)
        {
            throw Fault(nameof(TargetModules), "an empty list", "at least one name",
                "Name some of q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj.");
        }
        if (TargetModules.Concat(ExcludedModules).Concat(TargetParameters).Any(string.IsNullOrWhiteSpace))
            throw Fault(nameof(TargetModules), "an empty name", "names of modules");
        if (ExcludedPattern is not null && ExcludedModules.Count > 0)
            throw Fault(nameof(ExcludedPattern), ExcludedPattern, "none beside ExcludedModules", "Put the names into the pattern.");
        if (Layers is not null && TargetPattern is not null)
            throw Fault(nameof(Layers), string.Join(", ", Layers), "none beside a TargetPattern", "Put the layers into the pattern.");
        foreach (var (key, rank) in RankPattern)
        {
            if (rank is < 1 or > MaximumRank) throw Fault($"{nameof(RankPattern)} \"{key}\"", rank, $"an integer from 1 to {MaximumRank}");
        }
        foreach (var (key, alpha) in AlphaPattern)
        {
            if (!(alpha > 0 && double.IsFinite(alpha))) throw Fault($"{nameof(AlphaPattern)} \"{key}\"", alpha, "a finite number above 0");
        }
        if (ModulesToSave.FirstOrDefault(name => !ModelArchitecture.IsEndName(name)) is { } other)
            throw Fault(nameof(ModulesToSave), other, "embed_tokens, lm_head or both", "Name these alone.");
        if (UseDora && LoraBias) throw Fault(nameof(LoraBias), "true", "false beside UseDora", "Choose one of the two.");
        RequireExpressions();
    }

    /// <summary>Whether a module is trained as a whole.</summary>
    internal bool Saves(string module) => IsNamed(module, ModulesToSave);

    private void RequireFactorsAlone()
    {
        var beside = $"beside TargetParameters ({string.Join(", ", TargetParameters)})";
        if (Dropout > 0) throw Fault(nameof(Dropout), Dropout, $"0 {beside}", "Set it to 0: PEFT has no dropout for parameters.");
        if (UseDora) throw Fault(nameof(UseDora), "true", $"false {beside}", "Adapt linear layers alone: PEFT has no magnitudes for parameters.");
        if (LoraBias) throw Fault(nameof(LoraBias), "true", $"false {beside}", "Adapt linear layers alone: PEFT has no such biases for parameters.");
    }

    private void RequireExpressions()
    {
        if (TargetPattern is not null && !IsAllLinear) ModuleExpressions.Require(TargetPattern, nameof(TargetPattern));
        if (ExcludedPattern is not null) ModuleExpressions.Require(ExcludedPattern, nameof(ExcludedPattern));
        ModuleExpressions.RequireKeys(RankPattern.Keys, nameof(RankPattern));
        ModuleExpressions.RequireKeys(AlphaPattern.Keys, nameof(AlphaPattern));
    }

    internal bool IsAllLinear => string.Equals(TargetPattern, AllLinear, StringComparison.OrdinalIgnoreCase);

    private bool IsTargeted(string module)
    {
        if (IsNamed(module, ExcludedModules)) return false;
        if (ExcludedPattern is not null && _prepared.Expressions.Matches(ExcludedPattern, nameof(ExcludedPattern), module)) return false;
        if (IsAllLinear) return ModelArchitecture.IsLinear(module);
        if (TargetPattern is not null) return _prepared.Expressions.Matches(TargetPattern, nameof(TargetPattern), module);
        if (SetOf(TargetModules).Contains(module)) return true;
        return IsNamed(module, TargetModules) && (Layers is not { Count: > 0 } || (LayerOf(module) is { } layer && SetOf(Layers).Contains(layer)));
    }

    /// <summary>Whether one of the names is the module's path, or the end of it from a dot on.</summary>
    private bool IsNamed(string module, IReadOnlyList<string> names)
    {
        var known = SetOf(names);
        for (var at = 0; ; at++)
        {
            if (known.Contains(module[at..])) return true;
            if ((at = module.IndexOf('.', at)) < 0) return false;
        }
    }

    private HashSet<T> SetOf<T>(IReadOnlyList<T> list) => (HashSet<T>)_prepared.Sets.GetOrAdd(list, _ => new HashSet<T>(list));

    private static int? LayerOf(string module) =>
        module.Split('.').Skip(2).Select(part => int.TryParse(part, out var number) ? number : (int?)null).FirstOrDefault(number => number >= 0);

    /// <summary>PEFT's pattern keys: the expression must match the path's end, whole names only.</summary>
    private T FirstMatch<T>(IReadOnlyDictionary<string, T> pattern, string option, string module, T otherwise)
    {
        foreach (var (key, value) in pattern)
        {
            if (_prepared.Expressions.MatchesEnd(key, option, module)) return value;
        }
        return otherwise;
    }

    /// <summary>What every module is compared with, prepared once. It says nothing that the settings do not, so that all are equal.</summary>
    private sealed class Prepared
    {
        public ModuleExpressions Expressions { get; } = new();

        public ConcurrentDictionary<object, object> Sets { get; } = new(ReferenceEqualityComparer.Instance);

        public override bool Equals(object? obj) => obj is Prepared;

        public override int GetHashCode() => 0;
    }

    internal static NlftException Fault(string option, object found, string expected, string remedy = "Choose a value in this range.") =>
        new($"option {option}", FormattableString.Invariant($"{found}"), expected, remedy);
}

/// <summary>The biases of a model that an adapter trains.</summary>
public enum TrainedBiases
{
    /// <summary>None.</summary>
    None,

    /// <summary>Those of the adapted layers (lora_only).</summary>
    LoraOnly,

    /// <summary>All.</summary>
    All,
}

/// <summary>How one linear layer is adapted.</summary>
/// <param name="Module">Module path, for example <c>model.layers.0.mlp.up_proj</c>.</param>
/// <param name="Rank">r, 1 or more.</param>
/// <param name="Alpha">alpha.</param>
/// <param name="Scaling">The factor on B A x: alpha / r, or alpha / sqrt(r) with rsLoRA.</param>
public sealed record LoraTarget(string Module, int Rank, double Alpha, double Scaling)
{
    /// <summary>
    /// The name of the factors before .lora_A and .lora_B. Default: <see cref="Module"/>. PEFT names those of experts by the module that holds their
    /// parameters: <c>mlp.experts</c>, and <c>mlp.experts.base_layer</c> for gate_up_proj if down_proj is adapted as well.
    /// </summary>
    public string Factors { get; init; } = Module;
}
