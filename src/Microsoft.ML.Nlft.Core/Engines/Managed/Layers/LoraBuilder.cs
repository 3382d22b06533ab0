using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>Attaches the factors of an adapter, given or newly initialized, to the linear layers that it targets.</summary>
internal static class LoraBuilder
{
    /// <summary>Attaches the adapter and adds its factors to <paramref name="parameters"/>.</summary>
    /// <returns>The configuration of the adapter.</returns>
    public static LoraConfiguration Attach(IEnumerable<Linear> linears, ModelLoadOptions options, List<Parameter> parameters)
    {
        var model = options.Folder.Configuration;
        var adapter = options.Adapter ?? LoraAdapter.Create(options.Lora ?? new LoraConfiguration(), model, options.Seed);
        adapter.EnsureFits(model);
        var factors = adapter.Factors.ToDictionary(factor => factor.Name);
        var byWeight = linears.ToDictionary(linear => linear.Weight.Name);
        var modules = ModelLayout.LinearModules(model).ToDictionary(module => module.Name);
        foreach (var target in adapter.Configuration.Resolve(model))
        {
            var module = modules[target.Module];
            var (a, b) = (factors[target.Factors + ".lora_A"], factors[target.Factors + ".lora_B"]);
            var (parameterA, parameterB) = (new Parameter(a.Name, a.Shape, [.. a.Values]), Parameter.Stacked(b, module.Experts));
            foreach (var part in module.Parts)
            {
                byWeight[part.Weight].Lora = new LoraFactors(target.Module, parameterA.RowRange(part.Expert * target.Rank, target.Rank),
                    parameterB.RowRange(part.Expert * module.Outputs + part.FirstRow, part.Rows), target.Scaling, adapter.Configuration.Dropout);
            }
            parameters.AddRange([parameterA, parameterB]);
        }
        return adapter.Configuration;
    }
}
