using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft;

/// <summary>Refuses what is certain to need more memory on the managed engine than there is: a model before it is loaded, a training before its first step.</summary>
internal static class LocalModelMemory
{
    /// <summary>Bytes of the frozen weights on .NET's heap, to which <c>available</c> is the limit: none when all are trained; int8 ones lie outside of it.</summary>
    public static long Frozen(ModelFolder folder, TrainableWeights trainable, ManagedEngineOptions engine) => trainable == TrainableWeights.All || engine.Int8Weights ? 0 : folder.WeightBytes;

    /// <summary>Refuses frozen weights that do not fit.</summary>
    /// <param name="folder">The model.</param>
    /// <param name="frozen">Their bytes, by <see cref="Frozen"/>.</param>
    /// <param name="available">Bytes that this process may use.</param>
    /// <exception cref="NlftException">It names both sizes.</exception>
    public static void RequireWeights(ModelFolder folder, long frozen, long available)
    {
        if (frozen <= available) return;
        throw new NlftException($"memory for the weights of {folder.Path}", MemoryEstimate.Text(frozen), $"at most {MemoryEstimate.Text(available)}, what this process may use",
            $"Set Int8Weights of the engine ({MemoryEstimate.Text(Int8(folder.Configuration))}), or use a smaller model.");
    }

    /// <summary>
    /// Certain means: inner results are computed again on the way back, and the rows of a pass are of mean length, unless one alone is longer.
    /// </summary>
    /// <param name="model">The model to train.</param>
    /// <param name="frozen">Bytes of its frozen weights, by <see cref="Frozen"/>.</param>
    /// <param name="options">The set-up.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="available">Bytes that this process may use.</param>
    /// <exception cref="NlftException">It names the parts, and the options that bring them down.</exception>
    public static void Require(ICausalLanguageModel model, long frozen, FineTuneOptions options, IReadOnlyList<EncodedExample> rows, long available)
    {
        if (rows.Count == 0 || model.Trainable == TrainableWeights.None) return;
        var lengths = rows.Select(row => (long)row.Prompt(PromptContexts.Base).Length + row.Response.Length).ToList();
        var together = Math.Min(rows.Count, options.MicroBatchSize > 0 ? options.MicroBatchSize : options.BatchSize);
        var longest = (int)lengths.Max();
        var tokens = (int)Math.Min(int.MaxValue, Math.Max(longest, (long)(lengths.Average() * together)));
        MemoryEstimate Estimate(int count) => new(model.Configuration, storedBytes: 0, rows: 1, tokensPerRow: count);

        var all = model.Trainable == TrainableWeights.All;
        var trained = MemoryEstimate.Trained(all ? Estimate(1).Parameters : MemoryEstimate.AdapterParameters(model.Lora!, model.Configuration));
        var activations = Estimate(tokens).Activations(recompute: true);
        var needed = frozen + trained + activations;
        if (needed <= available) return;

        var advice = new List<string>();
        if (together > 1 && longest < tokens) advice.Add($"set MicroBatchSize to 1 ({MemoryEstimate.Text(frozen + trained + Estimate(longest).Activations(recompute: true))} in all)");
        if (activations > trained) advice.Add("cut long rows with PromptOptions.MaximumTokens");
        if (Int8(model.Configuration) < frozen) advice.Add($"set Int8Weights of the engine ({MemoryEstimate.Text(needed - frozen + Int8(model.Configuration))} in all)");
        if (all) advice.Add($"train LoRA factors instead of all weights ({MemoryEstimate.Text(activations + MemoryEstimate.Trained(MemoryEstimate.AdapterParameters(new(), model.Configuration)))} in all)");
        else if (trained > activations) advice.Add("lower Lora.Rank, or target fewer layers");
        throw new NlftException($"memory to train {together} rows together, {tokens} tokens",
            $"{MemoryEstimate.Text(needed)} ({MemoryEstimate.Text(activations)} of activations, {MemoryEstimate.Text(trained)} of trained weights with gradients and optimizer" +
            $"{(frozen > 0 ? $", {MemoryEstimate.Text(frozen)} of frozen weights" : "")})", $"at most {MemoryEstimate.Text(available)}, what this process may use", advice.Count == 0 ? "Use a smaller model." : $"To bring it down, {string.Join(", or ", advice)}.");
    }

    private static long Int8(ModelConfiguration model) => new MemoryEstimate(model, storedBytes: 0, rows: 1, tokensPerRow: 1).Int8Weights;
}
