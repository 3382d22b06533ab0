using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Engines.Managed.Layers;

/// <summary>Attaches the factors of an adapter, the given one or a fresh one, to the linear layers that it names.</summary>
internal static class LoraBuilder
{
    /// <returns>The adapter's configuration; its factors are added to <paramref name="parameters"/>.</returns>
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
