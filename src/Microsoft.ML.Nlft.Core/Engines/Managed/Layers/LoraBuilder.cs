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
        var factors = adapter.Factors.ToDictionary(factor => factor.Name, factor => new Parameter(factor.Name, factor.Shape, [.. factor.Values]));
        foreach (var linear in linears)
        {
            if (adapter.Configuration.Resolve(linear.Module) is not { } target) continue;
            var (a, b) = (factors[$"{linear.Module}.lora_A"], factors[$"{linear.Module}.lora_B"]);
            linear.Lora = new LoraFactors(linear.Module, a, b, target.Scaling, adapter.Configuration.Dropout);
            parameters.AddRange([a, b]);
        }
        return adapter.Configuration;
    }
}
