using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>Attaches the tensors of an adapter, given or newly initialized, to the linear layers that they are for.</summary>
internal static class LoraBuilder
{
    /// <summary>Attaches the adapter and adds its tensors to <paramref name="parameters"/>.</summary>
    /// <returns>The configuration of the adapter.</returns>
    public static LoraConfiguration Attach(IEnumerable<Linear> linears, ModelLoadOptions options, List<Parameter> parameters)
    {
        var model = options.Folder.Configuration;
        var adapter = options.Adapter ?? LoraAdapter.Create(options.Lora ?? new LoraConfiguration(), options.Folder, options.Seed);
        adapter.EnsureFits(model);
        var modules = ModelLayout.LinearModules(model).ToDictionary(module => module.Name);
        var targets = adapter.Configuration.Resolve(model);
        var stacks = targets.ToDictionary(target => target.Factors + LoraLayout.B, target => modules[target.Module].Experts);
        var values = adapter.Factors.ToDictionary(factor => factor.Name, factor => factor.Values);
        parameters.AddRange(LoraLayout.Trained(adapter.Configuration, model)
            .Select(tensor => Parameter.Create(tensor.Name, tensor.Shape, values[tensor.Name], stacks.GetValueOrDefault(tensor.Name, 1))));
        var byName = parameters.ToDictionary(parameter => parameter.Name);
        var byWeight = linears.ToDictionary(linear => linear.Weight.Name);
        foreach (var linear in byWeight.Values)
            if (byName.GetValueOrDefault(linear.Module + LoraLayout.Bias) is { } bias) linear.Bias = new Weight(bias);
        foreach (var target in targets)
        {
            var (module, a, b) = (modules[target.Module], byName[target.Factors + LoraLayout.A], byName[target.Factors + LoraLayout.B]);
            foreach (var part in module.Parts)
            {
                byWeight[part.Weight].Lora = new LoraFactors(target.Module, a.RowRange(part.Expert * target.Rank, target.Rank),
                    b.RowRange(part.Expert * module.Outputs + part.FirstRow, part.Rows), target.Scaling, adapter.Configuration.Dropout)
                {
                    Magnitude = byName.GetValueOrDefault(target.Module + LoraLayout.Magnitude),
                    Bias = byName.GetValueOrDefault(target.Module + LoraLayout.BiasOfB),
                };
            }
        }
        return adapter.Configuration;
    }
}
