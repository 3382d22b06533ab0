using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Distributed;
using Microsoft.ML.Nlft.Generation;

namespace Microsoft.ML.Nlft.Feedback;

/// <summary>A model's response to a question.</summary>
/// <param name="Row">The question's row with the response in it.</param>
/// <param name="Question">The question's index, from 0.</param>
/// <param name="Sample">Which of the question's responses it is, from 0.</param>
/// <param name="Generated">The response with its tokens and why it ended.</param>
public sealed record GeneratedResponse(DataRow Row, int Question, int Sample, GeneratedText Generated);

/// <summary>Generates a model's responses to questions, one or several each, for the model to learn from.</summary>
/// <remarks>
/// The processes of a job (<see cref="ResponseOptions.Distributed"/>) divide the work. Each of them calls with the same questions and options; each
/// gets all responses once the last one is complete. Process 0 keeps the journal and reports progress. An interrupted run resumes with any number
/// of processes.
/// </remarks>
/// <example>
/// <code>
/// var questions = DataFile.ReadAsync("questions.jsonl");
/// await foreach (var response in ResponseGenerator.GenerateAsync(model, questions, new() { Journal = "responses.partial" }))
///     Console.WriteLine(response.Row.Response);
/// </code>
/// </example>
public static class ResponseGenerator
{
    /// <summary>Generates responses in batches.</summary>
    /// <param name="model">The model; the caller disposes it.</param>
    /// <param name="questions">Rows with questions; their other texts are kept.</param>
    /// <param name="options">The options; null: those of the published runs.</param>
    /// <param name="cancellationToken">Observed between tokens; what is done stays in the journal.</param>
    /// <returns>
    /// The responses in the order of the questions, the samples of a question one after another. A blank response is kept as it is.
    /// </returns>
    /// <exception cref="NlftException">
    /// An option is out of range, a question cannot be encoded, or the journal belongs to another run.
    /// </exception>
    public static IAsyncEnumerable<GeneratedResponse> GenerateAsync(
        LocalModel model, IAsyncEnumerable<DataRow> questions, ResponseOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(questions);
        options ??= new();
        options.Validate();
        var processes = Communicator.Resolve(options.Distributed, model.Communicator);
        return processes.Size == 1
            ? Run(model, questions, options, cancellationToken)
            : RunShared(model, questions, options, processes, cancellationToken);
    }

    private static async IAsyncEnumerable<GeneratedResponse> Run(
        LocalModel model, IAsyncEnumerable<DataRow> questions, ResponseOptions options,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var (samples, generation) = (options.SamplesPerQuestion, options.Generation);
        using var journal = new Journal<GeneratedText>(options.Journal, options.Journal is null ? "" : Describe(model, options));
        var meter = new DataMeter(options.QuestionCount * samples, options.Progress, options.TimeProvider);
        var waiting = new List<Place>();
        var question = 0;
        await foreach (var row in questions.WithCancellation(cancellationToken).ConfigureAwait(false))
        {
            var identity = Identity(row, options);
            for (var sample = 0; sample < samples; sample++)
            {
                var index = checked(question * samples + sample);
                waiting.Add(new Place(row, question, sample, index, identity, journal.TryGet(index, identity, out var done) ? done : null));
                if (waiting.Count(place => place.Done is null) < generation.MaximumBatchSize && waiting.Count < 4 * generation.MaximumBatchSize)
                    continue;
                foreach (var response in await Task.Run(Respond, cancellationToken).ConfigureAwait(false)) yield return response;
                waiting.Clear();
            }
            question++;
        }
        foreach (var response in await Task.Run(Respond, cancellationToken).ConfigureAwait(false)) yield return response;

        // Returns the responses of the waiting places; generates those that the journal lacks in one batch.
        IReadOnlyList<GeneratedResponse> Respond()
        {
            var missing = waiting.Where(place => place.Done is null).ToList();
            var generated = missing.Count == 0 ? [] : model.Serialize(() => Generate(model, missing, options, cancellationToken));
            for (var i = 0; i < missing.Count; i++) journal.Append(missing[i].Index, missing[i].Identity, generated[i]);
            var next = 0;
            return [.. waiting.Select(place =>
            {
                var text = place.Done ?? generated[next++];
                meter.Report(fresh: place.Done is null);
                return new GeneratedResponse(place.Row with { Response = text.Text }, place.Question, place.Sample, text);
            })];
        }
    }

    private static async IAsyncEnumerable<GeneratedResponse> RunShared(
        LocalModel model, IAsyncEnumerable<DataRow> questions, ResponseOptions options, Communicator processes,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var (samples, generation) = (options.SamplesPerQuestion, options.Generation);
        var places = new List<Place>();
        var question = 0;
        await foreach (var row in questions.WithCancellation(cancellationToken).ConfigureAwait(false))
        {
            var identity = Identity(row, options);
            for (var sample = 0; sample < samples; sample++)
                places.Add(new Place(row, question, sample, checked(question * samples + sample), identity, Done: null));
            question++;
        }
        var texts = await new SharedResults<GeneratedText>
        {
            Processes = processes,
            Rows = ("rows to respond to", [.. places.Select(place => place.Identity)]),
            Run = ("model, prompts and options of the responses", Describe(model, options)),
            Journal = options.Journal,
            Progress = options.Progress,
            Time = options.TimeProvider,
            ChunkSize = options.ChunkSize,
            Batch = generation.MaximumBatchSize,
            Work = (chunk, stop) => [.. chunk.Chunk(generation.MaximumBatchSize).SelectMany(batch =>
                model.Serialize(() => Generate(model, [.. batch.Select(place => places[place])], options, stop)))],
        }.RunAsync(cancellationToken).ConfigureAwait(false);
        foreach (var (place, text) in places.Zip(texts))
            yield return new GeneratedResponse(place.Row with { Response = text.Text }, place.Question, place.Sample, text);
    }

    private static GeneratedText[] Generate(LocalModel model, List<Place> places, ResponseOptions options, CancellationToken cancellationToken)
    {
        var (generation, prompts) = (options.Generation, model.Prompts);
        DecodingRow[] rows = [.. places.Select(place =>
        {
            var (row, room) = (place.Row, generation.MaximumNewTokens);
            var prompt = options.Context == PromptContexts.Base ? prompts.EncodeQuestion(row.Question, row.Instruction, room)
                : prompts.EncodeQuestionWithAnswer(row.Question, row.Answer ?? "", row.Instruction, room);
            return model.Generator.CreateRow(prompt, generation, place.Index);
        })];
        model.Generator.Extend(rows, extended: null, cancellationToken);
        return Array.ConvertAll(rows, row => row.Result());
    }

    /// <summary>Names what the responses depend on: model, adapter, prompts and options.</summary>
    private static string Describe(LocalModel model, ResponseOptions options)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes(model.Folder.Fingerprint));
        foreach (var factor in model.CurrentAdapter()?.Factors ?? []) hash.AppendData(MemoryMarshal.AsBytes(factor.Values.AsSpan()));
        hash.AppendData(JsonSerializer.SerializeToUtf8Bytes(
            options.Generation with { MaximumBatchSize = 1, PromptLookupTokens = 0 }, FeedbackJson.Default.GenerationOptions));
        hash.AppendData(Encoding.UTF8.GetBytes(JsonSerializer.Serialize(model.Prompts.Options, FeedbackJson.Default.PromptOptions)));
        var shown = options.Context == PromptContexts.Base ? "" : " with its answer";
        return $"responses, {options.SamplesPerQuestion} a question{shown}, set-up {Convert.ToHexStringLower(hash.GetHashAndReset())[..16]}";
    }

    private static string Identity(DataRow row, ResponseOptions options) => options.Context == PromptContexts.Base
        ? IdentityOf(row.Instruction, row.Question) : IdentityOf(row.Instruction, row.Question, row.Answer);

    /// <summary>A short hash of a row's texts.</summary>
    internal static string IdentityOf(params ReadOnlySpan<string?> texts)
    {
        var hash = SplitMix64.Hash("row");
        foreach (var text in texts) hash = SplitMix64.Hash(hash, text is null ? 0 : SplitMix64.Hash(text));
        return hash.ToString("x16");
    }

    private sealed record Place(DataRow Row, int Question, int Sample, int Index, string Identity, GeneratedText? Done);
}
