using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Models;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft;

/// <summary>Refuses, before the first step, a training on the managed engine that is certain to need more memory than there is.</summary>
internal static class LocalModelMemory
{
    /// <summary>
    /// Certain means: weights stay in the mapped file, inner results are computed again on the way back, and the rows of a pass are of mean length, unless one
    /// alone is longer.
    /// </summary>
    /// <param name="model">The model to train.</param>
    /// <param name="options">The set-up.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="available">Bytes that this process may use.</param>
    /// <exception cref="NlftException">It names the parts, and the options that bring them down.</exception>
    public static void Require(ICausalLanguageModel model, FineTuneOptions options, IReadOnlyList<EncodedExample> rows, long available)
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
        if (trained + activations <= available) return;

        var advice = new List<string>();
        if (together > 1 && longest < tokens) advice.Add($"set MicroBatchSize to 1 ({MemoryEstimate.Text(trained + Estimate(longest).Activations(recompute: true))} in all)");
        if (activations > trained) advice.Add("cut long rows with PromptOptions.MaximumTokens");
        if (all) advice.Add($"train LoRA factors instead of all weights ({MemoryEstimate.Text(activations + MemoryEstimate.Trained(MemoryEstimate.AdapterParameters(new(), model.Configuration)))} in all)");
        else if (trained > activations) advice.Add("lower Lora.Rank, or target fewer layers");
        throw new NlftException($"memory to train {together} rows together, {tokens} tokens",
            $"{MemoryEstimate.Text(trained + activations)} ({MemoryEstimate.Text(activations)} of activations, {MemoryEstimate.Text(trained)} of trained weights with gradients and optimizer; " +
            "the frozen weights stay in their file)", $"at most {MemoryEstimate.Text(available)}, what this process may use", $"To bring it down, {string.Join(", or ", advice)}.");
    }
}
