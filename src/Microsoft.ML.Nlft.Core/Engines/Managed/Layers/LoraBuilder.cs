using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>The tensors of an adapter, given or newly initialized, as parameters that are attached to the layers they are for.</summary>
internal sealed class LoraBuilder
{
    private readonly LoraAdapter _adapter;
    private readonly Dictionary<string, Parameter> _byName;

    public LoraBuilder(ModelLoadOptions options)
    {
        var model = options.Folder.Configuration;
        _adapter = options.Adapter ?? LoraAdapter.Create(options.Lora ?? new LoraConfiguration(), options.Folder, options.Seed);
        _adapter.EnsureFits(model);
        Model = _adapter.Extend(model);
        var values = _adapter.Factors.ToDictionary(factor => factor.Name, factor => factor.Values);
        Parameters = [.. LoraLayout.Trained(_adapter.Configuration, Model)
            .Select(tensor => new Parameter(tensor.Name, tensor.Shape, [.. values[tensor.Name]], options.Trainable != TrainableWeights.None))];
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

    /// <summary>Attaches what the adapter has for a linear layer.</summary>
    public void Attach(Linear linear)
    {
        if (Find(linear.Module, LoraLayout.Bias) is { } bias) linear.Bias = new Weight(bias);
        linear.Lora = Factors(linear.Module);
    }

    /// <summary>Returns the factors of a linear layer or the output layer; null if it is not adapted.</summary>
    public LoraFactors? Factors(string module) => Configuration.Resolve(module) is not { } target ? null
        : new LoraFactors(module, _byName[module + LoraLayout.A], _byName[module + LoraLayout.B], target.Scaling, Configuration.Dropout)
        {
            Magnitude = Find(module, LoraLayout.Magnitude),
            Bias = Find(module, LoraLayout.BiasOfB),
        };

    /// <summary>Returns the factors of the embedding; null if it is not adapted.</summary>
    public EmbeddingFactors? EmbeddingFactors(string module) => Configuration.Resolve(module) is not { } target ? null
        : new EmbeddingFactors(_byName[module + LoraLayout.EmbeddingA], _byName[module + LoraLayout.EmbeddingB], target.Scaling);

    private Parameter? Find(string module, string part) => _byName.GetValueOrDefault(module + part);
}
