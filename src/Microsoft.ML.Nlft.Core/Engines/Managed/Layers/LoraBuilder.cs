using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>The tensors of an adapter, given or newly initialized, as parameters that are attached to the layers they are for.</summary>
internal sealed class LoraBuilder
{
    private readonly LoraAdapter _adapter;
    private readonly Dictionary<string, LinearModule> _modules;
    private readonly IReadOnlyList<LoraTarget> _targets;
    private readonly Dictionary<string, Parameter> _byName;

    public LoraBuilder(ModelLoadOptions options)
    {
        var model = options.Folder.Configuration;
        _adapter = options.Adapter ?? LoraAdapter.Create(options.Lora ?? new LoraConfiguration(), options.Folder, options.Seed);
        _adapter.EnsureFits(model);
        Model = _adapter.Extend(model);
        _modules = ModelLayout.LinearModules(Model).ToDictionary(module => module.Name);
        _targets = Configuration.Resolve(Model);
        var stacks = _targets.ToDictionary(target => target.Factors + LoraLayout.B,
            target => _modules.TryGetValue(target.Module, out var module) ? module.Experts : 1);
        var values = _adapter.Factors.ToDictionary(factor => factor.Name, factor => factor.Values);
        Parameters = [.. LoraLayout.Trained(Configuration, Model).Select(tensor => Parameter.Create(tensor.Name, tensor.Shape, values[tensor.Name],
            stacks.GetValueOrDefault(tensor.Name, 1), options.Trainable != TrainableWeights.None))];
        _byName = Parameters.ToDictionary(parameter => parameter.Name);
    }

    /// <summary>The architecture with the adapter on.</summary>
    public ModelConfiguration Model { get; }

    /// <summary>The configuration of the adapter.</summary>
    public LoraConfiguration Configuration => _adapter.Configuration;

    /// <summary>The trained tensors.</summary>
    public IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>Returns the whole weight of a module, trained or frozen; null if the adapter does not hold it.</summary>
    public Weight? Whole(string module)
    {
        if (Find(module, LoraLayout.Weight) is { } trained) return new Weight(trained);
        return _adapter.Frozen.FirstOrDefault(tensor => tensor.Name == module + LoraLayout.Weight) is { } frozen ? new Weight(frozen) : null;
    }

    /// <summary>Attaches what the adapter has for the linear layers.</summary>
    public void Attach(IEnumerable<Linear> linears)
    {
        var byWeight = linears.ToDictionary(linear => linear.Weight.Name);
        foreach (var linear in byWeight.Values)
            if (Find(linear.Module, LoraLayout.Bias) is { } bias) linear.Bias = new Weight(bias);
        foreach (var target in _targets)
        {
            if (!_modules.TryGetValue(target.Module, out var module)) continue;
            var (a, b) = (_byName[target.Factors + LoraLayout.A], _byName[target.Factors + LoraLayout.B]);
            foreach (var part in module.Parts)
            {
                byWeight[part.Weight].Lora = Factors(target, a.RowRange(part.Expert * target.Rank, target.Rank),
                    b.RowRange(part.Expert * module.Outputs + part.FirstRow, part.Rows));
            }
        }
    }

    /// <summary>Returns the factors of the output layer; null if it is not adapted.</summary>
    public LoraFactors? HeadFactors() => Configuration.Resolve(ModelLayout.HeadModule(Model)) is not { } target ? null
        : Factors(target, _byName[target.Factors + LoraLayout.A], _byName[target.Factors + LoraLayout.B]);

    private LoraFactors Factors(LoraTarget target, Parameter a, Parameter b) => new(target.Module, a, b, target.Scaling, Configuration.Dropout)
    {
        Magnitude = Find(target.Module, LoraLayout.Magnitude),
        Bias = Find(target.Module, LoraLayout.BiasOfB),
    };

    /// <summary>Returns the factors of the embedding; null if it is not adapted.</summary>
    public EmbeddingFactors? EmbeddingFactors() => Configuration.Resolve(ModelLayout.EmbeddingModule(Model)) is not { } target ? null
        : new EmbeddingFactors(_byName[target.Factors + LoraLayout.EmbeddingA], _byName[target.Factors + LoraLayout.EmbeddingB], target.Scaling);

    private Parameter? Find(string module, string part) => _byName.GetValueOrDefault(module + part);
}
