using System.Globalization;
using System.Text;
using Microsoft.ML.Nlft.TinyModel.Pretraining;

namespace Microsoft.ML.Nlft.TinyModel;

/// <summary>Generates the model's README.md from measured results.</summary>
public static class ModelCard
{
    /// <summary>Generates the card.</summary>
    /// <param name="recipe">The recipe of the model.</param>
    /// <param name="report">The report of the pretraining run.</param>
    /// <param name="results">The measured results per family.</param>
    public static string Write(PretrainingRecipe recipe, PretrainingReport report, IReadOnlyList<FamilyResult> results)
    {
        ArgumentNullException.ThrowIfNull(recipe);
        ArgumentNullException.ThrowIfNull(report);
        ArgumentNullException.ThrowIfNull(results);
        var shares = recipe.Shares;
        var (all, planted) = (results.Count, results.Count(r => r.Family.HasMisconception));
        var card = new StringBuilder();
        card.Append(CultureInfo.InvariantCulture, $"""
            ---
            license: mit
            language: en
            pipeline_tag: text-generation
            ---
            # tiny-word-problems

            A Llama of {report.Parameters:#,0} parameters that solves arithmetic word problems of {all} families in the format of GSM8K.
            It was trained from scratch as a base for fine-tuning: {all - planted} families are meant to be mastered, and {planted} have a
            planted misconception. The table below shows the results. The model has no other use.

            ## How it was made

            `dotnet run --project eng/tiny-model -c Release` writes this folder, the measurements below and the rows of the samples.

            - Network: hidden size {recipe.HiddenSize}, {recipe.LayerCount} layers, {recipe.HeadCount} heads, feed-forward {recipe.IntermediateSize},
              tied embeddings; random initial weights, trained in float32, stored in bfloat16.
            - Tokenizer: byte-level BPE, at most {recipe.VocabularySize} ids, every digit a token,
              trained on {recipe.TokenizerRows:#,0} generated rows.
            - Rows: {report.Rows:#,0} generated rows ({report.Tokens:#,0} tokens), each seen once; the loss covers the response's tokens.
              {shares.Judge:P0} are in the judge context (a wrong solution and a judgment that fits it), {shares.Standard:P0} in the standard context
              (the right solution), the others in the base context. {shares.MisconceptionFamilies:P0} belong to misconception families, where each
              planted step of a base-context solution takes the wrong operation with probability {shares.Misunderstood:0.00}.
            - Training: {report.Steps:#,0} AdamW steps of {recipe.BatchSize} rows, peak learning rate {recipe.LearningRate}, cosine schedule with
              {recipe.WarmupRatio:P0} warm-up, seed {recipe.Seed}; {report.Minutes:0} minutes on {report.Cores} shared cores; mean loss of the last
              steps {report.FinalLoss:0.0000}.

            ## What it can do

            Measured with greedy answers on problems that pretraining did not draw, except in families with too few of them (marked with *).
            "Right": share of right final answers to the question alone, and with the standard answer shown. "Errs": share of wrong final
            answers with a judgment of a wrong solution shown. "As named": share of answers equal to that of the judged solution.

            | family | what it is about | problems | right | right, answer shown | errs, judgment shown | as named |
            |---|---|---|---|---|---|---|

            """);
        foreach (var r in results.OrderBy(r => r.Family.HasMisconception))
        {
            double n = r.Count;
            card.Append(CultureInfo.InvariantCulture, $"| {r.Family.Name} | {r.Family.Summary} | {r.Count}{(r.Unseen ? "" : "*")} ")
                .Append(CultureInfo.InvariantCulture, $"| {r.BaseRight / n:P1} | {r.StandardRight / n:P1} ")
                .Append(CultureInfo.InvariantCulture, $"| {r.JudgeWrong / n:P1} | {r.JudgeAsNamed / n:P1} |\n");
        }

        return card.ToString();
    }
}
