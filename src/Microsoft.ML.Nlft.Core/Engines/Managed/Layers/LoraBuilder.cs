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
        var values = adapter.Factors.ToDictionary(factor => factor.Name, factor => factor.Values);
        parameters.AddRange(LoraLayout.Trained(adapter.Configuration, model)
            .Select(tensor => new Parameter(tensor.Name, tensor.Shape, [.. values[tensor.Name]])));
        var byName = parameters.ToDictionary(parameter => parameter.Name);
        foreach (var linear in linears)
        {
            if (byName.GetValueOrDefault(linear.Module + LoraLayout.Bias) is { } bias) linear.Bias = new Weight(bias);
            if (adapter.Configuration.Resolve(linear.Module) is not { } target) continue;
            linear.Lora = new LoraFactors(linear.Module, byName[linear.Module + LoraLayout.A], byName[linear.Module + LoraLayout.B], target.Scaling,
                adapter.Configuration.Dropout)
            {
                Magnitude = byName.GetValueOrDefault(linear.Module + LoraLayout.Magnitude),
                Bias = byName.GetValueOrDefault(linear.Module + LoraLayout.BiasOfB),
            };
        }
        return adapter.Configuration;
    }
}
