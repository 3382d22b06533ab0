using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Fakes;

/// <summary>What tests with a model share: a context, a model folder, an engine, and rows.</summary>
public abstract class ModelTest : IDisposable
{
    private protected MLContext MLContext { get; } = new(seed: 1);

    private protected ModelOnDisk Disk { get; } = new();

    private protected FakeEngine Engine { get; } = new();

    /// <summary>Three rows: two wrong responses with judgments and a right one without.</summary>
    private protected static List<Row> ThreeRows =>
    [
        new() { Question = "2 + 3?", Response = "2 + 3 = 6. #### 6", Judgment = "2 + 3 is not 6.", Answer = "2 + 3 = 5. #### 5" },
        new() { Question = "4 + 3?", Response = "4 + 3 = 7. #### 7", Judgment = "", Answer = "4 + 3 = 7. #### 7" },
        new() { Question = "5 - 3?", Response = "5 + 3 = 8. #### 8", Judgment = "It adds.", Answer = "5 - 3 = 2. #### 2" },
    ];

    private protected IDataView View(List<Row> rows) => MLContext.Data.LoadFromEnumerable(rows);

    private protected IDataView Questions(int count) =>
        View([.. Enumerable.Range(0, count).Select(i => new Row { Question = $"{i} + {i}?", Answer = $"#### {2 * i}", Weight = i })]);

    /// <summary>Two epochs in batches of two rows: four steps.</summary>
    private protected NaturalLanguageFineTuneTrainer.Options Options() => new()
    {
        ModelFolder = Disk.Folder,
        Engine = Engine,
        Training = new() { Epochs = 2, BatchSize = 2, LearningRate = 0.5 },
        Lora = new() { Rank = 2 },
        Generation = new() { MaximumBatchSize = 4 },
    };

    private protected TextGenerationTransformer Fit(NaturalLanguageFineTuneTrainer.Options? options = null, List<Row>? rows = null) =>
        MLContext.Nlft().Trainers.NaturalLanguageFineTune(options ?? Options()).Fit(View(rows ?? ThreeRows));

    private protected TextGenerationTransformer BaseModel(int batchSize = 4) =>
        MLContext.Nlft().LoadBaseModel(Disk.Folder, generation: new() { MaximumBatchSize = batchSize }, engine: Engine);

    private protected List<string> Answers(IDataView view) =>
        [.. MLContext.Data.CreateEnumerable<AnsweredRow>(view, reuseRowObject: false).Select(r => r.GeneratedAnswer)];

    /// <summary>All adapter weights, in the order of their names.</summary>
    private protected static float[] Weights(TextGenerationTransformer model) =>
        [.. model.Adapter!.Factors.OrderBy(f => f.Name, StringComparer.Ordinal).SelectMany(f => f.Values)];

    public void Dispose()
    {
        Disk.Dispose();
        GC.SuppressFinalize(this);
    }
}

/// <summary>Collects reports on the thread that makes them.</summary>
internal sealed class Reports(Action<TrainingProgress>? also = null) : IProgress<TrainingProgress>
{
    public List<TrainingProgress> Steps { get; } = [];

    public void Report(TrainingProgress value)
    {
        Steps.Add(value);
        also?.Invoke(value);
    }
}
