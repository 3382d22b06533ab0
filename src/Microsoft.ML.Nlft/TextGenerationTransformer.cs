using Microsoft.Extensions.AI;
using Microsoft.ML.Data;
using Microsoft.ML.Nlft.Cards;
using Microsoft.ML.Nlft.Chat;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Feedback;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Training;
using Microsoft.ML.Nlft.Views;

namespace Microsoft.ML.Nlft;

/// <summary>Answers every question with a base model, usually with a fine-tuned adapter, as an ML.NET transformer.</summary>
/// <remarks>
/// <para>The transformer is lazy: it generates an answer when a cursor's getter requests it, once per row however many consumers a row has. Cursors
/// read ahead by up to <see cref="GenerationOptions.MaximumBatchSize"/> rows to answer them in one batch. A second pass over the view generates
/// again: put <c>AppendCacheCheckpoint</c> after the transformer when later stages make several passes.</para>
/// <para>Views, mappers and prediction engines may be used from several threads; generation itself is serialized on the one model. Disposing
/// releases the model; its views then fail with <see cref="ObjectDisposedException"/>. A <c>PredictionEngine</c> disposes the transformer with
/// itself by default.</para>
/// <para>In a job of several processes (<see cref="Distributed"/>) <see cref="Transform"/> is not lazy: all processes call it with the same rows,
/// divide the rows among them, and each gets a view with all answers. A lazy cursor could not do that: a single process may open it, and would wait
/// for the others forever. Prediction engines and mappers answer in their own process.</para>
/// </remarks>
public sealed partial class TextGenerationTransformer : ITransformer, IDisposable
{
    private readonly LocalModel _model;
    private readonly AppendedColumn<ReadOnlyMemory<char>> _column;
    private volatile bool _disposed;

    /// <summary>Creates the transformer, which takes ownership of the model.</summary>
    internal TextGenerationTransformer(LocalModel model, LoraAdapter? adapter, LocalModelSettings settings, FineTuneResult? training, ModelCard? card)
    {
        settings.Validate();
        (_model, Adapter, Settings, Training) = (model, adapter, settings, training);
        Card = card ?? new ModelCard { BaseModel = model.Name };
        string?[] inputs = [settings.QuestionColumnName, settings.InstructionColumnName];
        _column = new AppendedColumn<ReadOnlyMemory<char>>(
            settings.OutputColumnName, TextDataViewType.Instance, [.. inputs.OfType<string>()], settings.Generation.MaximumBatchSize, Answer);
    }

    /// <summary>Text column with the questions.</summary>
    public string QuestionColumnName => Settings.QuestionColumnName;

    /// <summary>Text column with instructions for the system prompt, or null.</summary>
    public string? InstructionColumnName => Settings.InstructionColumnName;

    /// <summary>Text column that answers are written to.</summary>
    public string OutputColumnName => Settings.OutputColumnName;

    /// <summary>How answers are generated.</summary>
    public GenerationOptions Generation => Settings.Generation;

    /// <summary>The fine-tuned adapter, or null for a bare base model.</summary>
    public LoraAdapter? Adapter { get; }

    /// <summary>The result of the training run; null when the model was loaded.</summary>
    public FineTuneResult? Training { get; }

    /// <summary>
    /// The model card that is saved with the model: rows, options and metrics of the run that trained it. Add to it with a <c>with</c> expression.
    /// </summary>
    public ModelCard Card { get; }

    internal LocalModelSettings Settings { get; }

    /// <summary>The open model.</summary>
    internal LocalModel Model
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _model;
        }
    }

    /// <summary>Adds the output column to a schema.</summary>
    /// <exception cref="NlftException">The question (or instruction) column is missing or does not hold text.</exception>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => Mapper(inputSchema).OutputSchema;

    /// <summary>
    /// Whether processes that an MPI launcher (mpirun, srun) started together divide the rows of <see cref="Transform"/>; all of them must call it.
    /// False: each process answers all its rows, lazily. Default true, which has no effect in a single process.
    /// </summary>
    public bool Distributed { get; set; } = true;

    /// <summary>
    /// Adds the output column to a view: lazily in a single process, eagerly in a job of several processes, all of which must call it.
    /// </summary>
    /// <exception cref="NlftException">
    /// The question (or instruction) column is missing or does not hold text; in a job of several processes also: a row cannot be answered, the
    /// processes have different rows or models, or one of them has failed.
    /// </exception>
    public IDataView Transform(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new AppendedColumnView<ReadOnlyMemory<char>>(input, !Distributed || _model.Communicator.Size == 1 ? _column : SharedColumn(input));
    }

    /// <summary>Always true: every row maps to one row.</summary>
    public bool IsRowToRowMapper => true;

    /// <summary>Returns the transformer as a function of single rows, which a <c>PredictionEngine</c> uses.</summary>
    /// <exception cref="NlftException">The question (or instruction) column is missing or does not hold text.</exception>
    public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => Mapper(inputSchema);

    private AppendedColumnMapper<ReadOnlyMemory<char>> Mapper(DataViewSchema inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new AppendedColumnMapper<ReadOnlyMemory<char>>(inputSchema, _column);
    }

    private IReadOnlyList<ReadOnlyMemory<char>> Answer(IReadOnlyList<TextRow> rows)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var answers = _model.GeneratePart([.. rows.Select(Prompt)], Settings.Generation, firstRow: (int)Math.Max(rows[0].Position, 0));
        return [.. answers.Select(answer => answer.Text.AsMemory())];
    }

    /// <summary>Answers all rows on all processes of the job.</summary>
    private AppendedColumn<ReadOnlyMemory<char>> SharedColumn(IDataView input)
    {
        var rows = AppendedColumnMapper<ReadOnlyMemory<char>>.ReadInputs(input, _column);
        foreach (var row in rows) Prompt(row); // refuse a row that cannot be answered before the work begins, on every process
        var options = new ResponseOptions { Generation = Settings.Generation };
        var questions = rows.Select(row => new DataRow { Question = row.Texts[0], Instruction = Instruction(row), Source = row.Name });
        string[] answers = [.. ResponseGenerator.GenerateAsync(_model, questions.ToAsyncEnumerable(), options).ToBlockingEnumerable()
            .Select(response => response.Generated.Text)];
        return _column with { InOrder = true, Compute = asked => [.. asked.Select(row => AnswerOf(row).AsMemory())] };

        string AnswerOf(TextRow row) => row.Position >= 0 && row.Position < answers.Length
            && row.Texts.SequenceEqual(rows[(int)row.Position].Texts) ? answers[row.Position]
            : throw new NlftException($"{row.Name} of the view", "other texts than when it was answered", "the same rows in every pass",
                "Cache the rows before they are transformed: mlContext.Data.Cache.");
    }

    /// <summary>Answers a question that belongs to no view.</summary>
    internal string AnswerOne(string question, string instruction) => Answer([new TextRow(-1, [question, instruction])])[0].ToString();

    private string? Instruction(TextRow row) => InstructionColumnName is null || string.IsNullOrWhiteSpace(row.Texts[1]) ? null : row.Texts[1];

    private int[] Prompt(TextRow row)
    {
        try
        {
            return _model.Prompts.EncodeQuestion(row.Texts[0], Instruction(row), Settings.Generation.MaximumNewTokens);
        }
        catch (NlftException e)
        {
            throw new NlftException($"{row.Name}, column \"{QuestionColumnName}\": {e.Subject}", e.Found, e.Expected, e.Remedy, e);
        }
    }

    /// <summary>
    /// Returns the model as a chat client of Microsoft.Extensions.AI; <see cref="Generation"/> gives the defaults of a request. The transformer
    /// keeps the model, and its lock makes the client thread-safe. Dispose the client first.
    /// </summary>
    /// <param name="options">Other settings; null: the transformer's.</param>
    /// <exception cref="NlftException">An option lies outside its range.</exception>
    public IChatClient AsChatClient(LocalChatClientOptions? options = null)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        options ??= new();
        return _model.AsChatClient(options with { Generation = options.Generation ?? Settings.Generation });
    }

    /// <summary>Writes the model into the zip of <c>mlContext.Model.Save</c>: see <see cref="ModelZip"/>.</summary>
    void ICanSaveModel.Save(ModelSaveContext ctx) => ModelZip.Save(this, ctx);

    /// <summary>Releases the model after waiting for a running generation.</summary>
    public void Dispose()
    {
        _disposed = true;
        _model.Dispose();
    }
}
