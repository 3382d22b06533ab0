using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.Training;

/// <summary>
/// Refuses work that is certain to exceed the available memory, if the engine can estimate it: a model before it is loaded, training before its
/// first step.
/// </summary>
internal static class MemoryCheck
{
    /// <summary>Refuses frozen weights that do not fit into memory.</summary>
    /// <param name="engine">The engine that will load them.</param>
    /// <param name="folder">The model.</param>
    /// <param name="trainable">The weights that will be trained.</param>
    /// <exception cref="NlftException">The weights do not fit; the message names both sizes.</exception>
    public static void RequireWeights(IModelEngine engine, ModelFolder folder, TrainableWeights trainable)
    {
        var request = new MemoryRequest { Model = folder.Configuration, WeightBytes = folder.WeightBytes, Trainable = trainable };
        if (engine.Estimate(request) is not { } need || need.Weights <= need.Available) return;
        throw new NlftException($"memory for the weights of {folder.Path}", ByteSize.Text(need.Weights),
            $"at most {ByteSize.Text(need.Available)}, what this process may use",
            Sentence(string.Concat(need.Savings.Select(saving => $"{saving.Option} ({ByteSize.Text(saving.Need.Weights)}), or "))
                + "use a smaller model."));
    }

    /// <summary>
    /// Refuses training that does not fit into memory, or whose held-out rows do not. The rows of a pass count with their mean length, unless a
    /// single row is longer.
    /// </summary>
    /// <param name="engine">The engine.</param>
    /// <param name="network">The network to train.</param>
    /// <param name="weightBytes">Bytes of its weights in their files.</param>
    /// <param name="options">The training options.</param>
    /// <param name="rows">The rows that train.</param>
    /// <param name="heldOut">The rows that are only scored.</param>
    /// <param name="processes">Number of processes that share this machine's memory.</param>
    /// <exception cref="NlftException">Training does not fit; the message names the parts and the options that reduce them.</exception>
    public static void RequireTraining(
        IModelEngine engine, ICausalLanguageModel network, long weightBytes, FineTuneOptions options,
        IReadOnlyList<EncodedExample> rows, IReadOnlyList<EncodedExample> heldOut, int processes)
    {
        Require(engine, network, weightBytes, options, rows, scoresOnly: false, processes);
        Require(engine, network, weightBytes, options, heldOut, scoresOnly: true, processes);
    }

    private static void Require(
        IModelEngine engine, ICausalLanguageModel network, long weightBytes, FineTuneOptions options,
        IReadOnlyList<EncodedExample> rows, bool scoresOnly, int processes)
    {
        if (rows.Count == 0) return;
        var lengths = rows.Select(row => (long)row.Prompt(PromptContexts.Base).Length + row.Response.Length).ToList();
        var together = Math.Min(rows.Count, options.RowsPerPass);
        var longest = (int)lengths.Max();
        var tokens = (int)Math.Min(int.MaxValue, Math.Max(longest, (long)(lengths.Average() * together)));
        var request = new MemoryRequest
        {
            Model = network.Configuration, WeightBytes = weightBytes, Trainable = network.Trainable, Lora = network.Lora, Tokens = tokens,
            ScoresOnly = scoresOnly,
        };
        if (engine.Estimate(request) is not { } need || need.Sum <= need.Available / processes) return;

        var all = network.Trainable == TrainableWeights.All;
        var advice = new List<string>();
        void Advise(string what, MemoryNeed? then) => advice.Add($"{what} ({ByteSize.Text(then!.Sum)} in all)");
        if (together > 1 && longest < tokens) Advise("set MicroBatchSize to 1", engine.Estimate(request with { Tokens = longest }));
        if (need.Activations > need.Trained) advice.Add("cut long rows with PromptOptions.MaximumTokens");
        foreach (var saving in need.Savings) Advise(saving.Option, saving.Need);
        if (all)
        {
            Advise("train LoRA factors instead of all weights",
                engine.Estimate(request with { Trainable = TrainableWeights.Lora, Lora = new() }));
        }
        else if (need.Trained > need.Activations)
        {
            advice.Add("lower Lora.Rank, or target fewer layers");
        }
        var frozen = need.Weights > 0 ? $", {ByteSize.Text(need.Weights)} of frozen weights" : "";
        throw new NlftException($"memory to {(scoresOnly ? $"score {together} held-out" : $"train {together}")} rows together, {tokens} tokens",
            $"{ByteSize.Text(need.Sum)} ({ByteSize.Text(need.Activations)} of activations, "
            + $"{ByteSize.Text(need.Trained)} of trained weights with gradients and optimizer{frozen})",
            $"at most {ByteSize.Text(need.Available / processes)}, what this process may use",
            advice.Count == 0 ? "Use a smaller model." : $"To bring it down, {string.Join(", or ", advice)}.");
    }

    private static string Sentence(string text) => char.ToUpperInvariant(text[0]) + text[1..];
}
