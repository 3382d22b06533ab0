using Microsoft.ML.Nlft.Saliency;

namespace Microsoft.ML.Nlft;

public sealed partial class NlftCatalog
{
    /// <summary>Shows what training on these rows would teach a model, token by token, without training it.</summary>
    /// <param name="data">At least one row with the configured columns.</param>
    /// <param name="options">The options; <see cref="SaliencyMapOptions.ModelFolder"/> must be set.</param>
    /// <returns>
    /// The map: as records (<see cref="SaliencyMap.Rows"/>), as a page (<see cref="SaliencyMap.Save"/>), or as a view (<see cref="SaliencyTokens"/>).
    /// </returns>
    /// <exception cref="NlftException">A column, a row, an option or the model folder cannot be used.</exception>
    /// <example>
    /// <code>
    /// IDataView rows = mlContext.Nlft().LoadFromJsonLines("rows.jsonl");
    /// var map = mlContext.Nlft().SaliencyMap(rows, new SaliencyMapOptions { ModelFolder = "models/SmolLM2-135M-Instruct" });
    /// map.Save("map.html");
    /// </code>
    /// </example>
    public SaliencyMap SaliencyMap(IDataView data, SaliencyMapOptions options)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(options);
        var columns = new TrainingColumns(options.QuestionColumnName, options.ResponseColumnName, options.JudgmentColumnName,
            options.AnswerColumnName, options.InstructionColumnName);
        var rows = columns.Read(data, "rows of the map", options.CancellationToken, out _);
        if (string.IsNullOrWhiteSpace(options.ModelFolder))
        {
            throw new NlftException("option ModelFolder", "an empty path", "the folder of a model in Hugging Face layout, or of a saved model",
                "Name a folder that holds config.json, the safetensors files and tokenizer.json, or one that Save wrote.");
        }
        var saved = File.Exists(Path.Combine(options.ModelFolder, "nlft.json"));
        using var model = saved
            ? Load(options.ModelFolder, engine: options.Engine)
            : LoadBaseModel(options.ModelFolder, prompts: options.Prompts, engine: options.Engine);
        return model.ExplainTraining(rows, options.Objective, options.CancellationToken);
    }

    /// <summary>
    /// Converts a map to a view with one row per token and snapshot: Row (index from 0), Epoch, Position (from 0), Text, Base, Judge, Standard
    /// (probabilities; NaN where not scored), RatioToBase, RatioToStandard, Role, Weight and Coefficient.
    /// </summary>
    /// <param name="map">The map.</param>
    public IDataView SaliencyTokens(SaliencyMap map)
    {
        ArgumentNullException.ThrowIfNull(map);
        return _mlContext.Data.LoadFromEnumerable(map.Rows.SelectMany((row, r) => map.Epochs.SelectMany((epoch, moment) =>
            row.Report(moment).Tokens.Select((token, t) => new SaliencyTokenRow(r, epoch, t, token)))).ToList());
    }

    /// <summary>The columns of <see cref="SaliencyTokens"/>; ML.NET reads them by reflection.</summary>
    private sealed class SaliencyTokenRow(int row, int epoch, int position, Objectives.TokenReport token)
    {
        public int Row { get; } = row;

        public int Epoch { get; } = epoch;

        public int Position { get; } = position;

        public string Text { get; } = token.Text;

        public double Base { get; } = token.Base;

        public double Judge { get; } = token.Judge ?? double.NaN;

        public double Standard { get; } = token.Standard ?? double.NaN;

        public double RatioToBase { get; } = token.RatioToBase ?? double.NaN;

        public double RatioToStandard { get; } = token.RatioToStandard ?? double.NaN;

        public string Role { get; } = $"{token.Saliency.Role}";

        public double Weight { get; } = token.Saliency.Weight;

        public double Coefficient { get; } = token.Saliency.Coefficient;
    }
}
