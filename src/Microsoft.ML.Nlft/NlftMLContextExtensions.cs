using Microsoft.ML.Nlft;

namespace Microsoft.ML;

/// <summary>Makes Natural Language Fine-Tuning available on an <see cref="MLContext"/>, with no more than <c>using Microsoft.ML;</c>.</summary>
public static class NlftMLContextExtensions
{
    /// <summary>Gets the catalog for training, loading, saving and evaluating models with Natural Language Fine-Tuning.</summary>
    /// <example>
    /// <code>
    /// var mlContext = new MLContext(seed: 42);
    /// IDataView rows = mlContext.Nlft().LoadFromJsonLines("rows.jsonl");
    /// var pipeline = mlContext.Nlft().Trainers.NaturalLanguageFineTune("models/SmolLM2-135M-Instruct", epochs: 5);
    /// using var model = pipeline.Fit(rows);
    /// IDataView predictions = model.Transform(mlContext.Nlft().LoadFromJsonLines("test.jsonl"));
    /// var metrics = mlContext.Nlft().Evaluate(predictions);
    /// </code>
    /// </example>
    public static NlftCatalog Nlft(this MLContext mlContext) => new(mlContext ?? throw new ArgumentNullException(nameof(mlContext)));
}
