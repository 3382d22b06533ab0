using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Saliency;

namespace Microsoft.ML.Nlft.Training;

/// <summary>
/// The state of a run after a step, as one safetensors file: trained weights, optimizer, cached contexts, metrics and the best weights of
/// validation as tensors, position and identity as JSON under <c>__metadata__</c>, and a SHA-256 of all of it. The file is written atomically.
/// </summary>
internal sealed partial class Checkpoint
{
    internal const string StateKey = "nlft.checkpoint", HashKey = "sha256";
    private const string Kind = "a checkpoint of this library", Extension = ".safetensors";
    private const string Prefix = "step-", Weights = "weights/", Optimizer = "optimizer/", Contexts = "contexts/", Best = "best/",
        Metrics = "metrics", Recorded = "recorded";
    private const string UseAnother = "Use another checkpoint, or start anew without ResumeFrom.";
    private const int CurrentFormat = 1, Numbers = 12;

    private static readonly JsonSerializerOptions s_json = new()
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        MaxDepth = 32,
        TypeInfoResolver = CheckpointJson.Default.WithAddedModifier(
            JsonDefaults.Of(() => new ValidationReport { Step = 0, Epoch = 0, Loss = 0 })),
    };

    /// <summary>The identity of the run.</summary>
    public required RunIdentity Run { get; init; }

    /// <summary>Position and metrics.</summary>
    public required RunState State { get; init; }

    /// <summary>Tokens of the contexts that were scored as constants.</summary>
    public required long TokensScored { get; init; }

    /// <summary>The cached scores of constant contexts; empty when they are scored again every step.</summary>
    public required IReadOnlyList<NamedTensor> KeptContexts { get; init; }

    /// <summary>The trained weights, as the engine exports them.</summary>
    public required IReadOnlyList<NamedTensor> ModelWeights { get; init; }

    /// <summary>The optimizer's state, as the engine exports it.</summary>
    public required IReadOnlyList<NamedTensor> OptimizerState { get; init; }

    /// <summary>Returns the file name of a step's checkpoint.</summary>
    public static string FileName(int step) => string.Create(CultureInfo.InvariantCulture, $"{Prefix}{step:00000000}{Extension}");

    /// <summary>Returns the checkpoints of a folder, newest first.</summary>
    public static IReadOnlyList<string> In(string folder) => !Directory.Exists(folder) ? []
        : [.. Directory.EnumerateFiles(folder, $"{Prefix}*{Extension}").Where(path => Path.GetFileName(path).Length == FileName(0).Length)
            .OrderByDescending(Path.GetFileName, StringComparer.Ordinal)];

    /// <summary>Writes the file under a temporary name and renames it.</summary>
    public void Save(string path)
    {
        var state = JsonSerializer.Serialize(new Document(CurrentFormat, State.Epoch, State.RowsDone, State.Step, State.Skipped,
            State.TokensTrained, TokensScored, State.Steps.Count, Run), Of<Document>());
        var recorded = JsonSerializer.SerializeToUtf8Bytes(new Recordings(State.Steps.Index().Where(pair => pair.Item.Recorded.Count > 0)
            .ToDictionary(pair => pair.Index, pair => pair.Item.Recorded), State.Pending)
        {
            Validation = State.Steps.Index().Where(pair => pair.Item.Validation.Count > 0)
                .ToDictionary(pair => pair.Index, pair => pair.Item.Validation),
            PendingValidation = [.. State.Evaluations.Skip(State.EvaluationsReported)],
        }, Of<Recordings>());
        var tensors = StateTensors.Named(Weights, ModelWeights).Concat(StateTensors.Named(Optimizer, OptimizerState))
            .Concat(StateTensors.Named(Contexts, KeptContexts)).Concat(StateTensors.Named(Best, State.BestWeights))
            .Append(new TensorData(Metrics, TensorType.F64, [State.Steps.Count, Numbers],
                MemoryMarshal.AsBytes<double>([.. State.Steps.SelectMany(ToNumbers)]).ToArray()))
            .Append(new TensorData(Recorded, TensorType.U8, [recorded.Length], recorded)).ToList();
        var metadata = new Dictionary<string, string> { [StateKey] = state, [HashKey] = Hash(state, tensors) };
        SafetensorsWriter.Write(path, tensors.Select(SafetensorsSource.From), metadata);
    }

    /// <summary>Reads a file and checks its hash before using any of it.</summary>
    /// <exception cref="NlftException">The file is missing, damaged, or not a checkpoint.</exception>
    public static Checkpoint Load(string path)
    {
        using var file = SafetensorsFile.Open(path);
        if (!file.Metadata.TryGetValue(StateKey, out var state) || !file.Metadata.TryGetValue(HashKey, out var hash))
            throw new NlftException(path, "a safetensors file without the state of a run", Kind, UseAnother);
        var tensors = file.Entries.Select(entry => file.Tensor(entry.Name)).ToList();
        var found = Hash(state, tensors);
        if (found != hash)
        {
            throw new NlftException(path, $"contents with the hash {found[..12]}", $"{Start(hash)}, as it was written",
                "The file is damaged. " + UseAnother);
        }
        try
        {
            return Read(path, state, tensors);
        }
        catch (Exception e) when (e is JsonException or FormatException or OverflowException or ArgumentException or InvalidOperationException
            or KeyNotFoundException)
        {
            throw new NlftException(path, $"a state that cannot be read ({e.Message})", Kind, UseAnother, e);
        }
    }

    /// <summary>
    /// Finds a checkpoint by the path of its file, or the newest undamaged one of a folder; returns null when the folder is missing or has none.
    /// </summary>
    /// <exception cref="NlftException">
    /// The file cannot be used, or all checkpoints of the folder are damaged; the message is about the newest.
    /// </exception>
    public static (string Path, Checkpoint Checkpoint)? Find(string place)
    {
        if (File.Exists(place)) return (place, Load(place));
        if (place.EndsWith(Extension, StringComparison.OrdinalIgnoreCase)) throw new NlftException(place, "no such file", Kind, UseAnother);
        NlftException? first = null;
        foreach (var path in In(place))
        {
            try
            {
                return (path, Load(path));
            }
            catch (NlftException e)
            {
                first ??= e;
            }
        }
        return first is null ? null : throw first;
    }

    private static Checkpoint Read(string path, string state, IReadOnlyList<TensorData> tensors)
    {
        var document = Parse<Document>(path, Encoding.UTF8.GetBytes(state));
        if (document.Format is < 1 or > CurrentFormat)
            throw new NlftException($"{path}, format", $"{document.Format}", $"{CurrentFormat}", "It was written by a newer version: use that one.");
        if (document.Run is not { BaseModel: not null, Options: not null, Rows: not null } || document.Run.Rows.Contains(null!))
            throw new JsonException("the run's identity is missing");
        var (epoch, row, step) = (document.Epoch, document.RowsDone, document.Step);
        if (epoch < 0 || row < 0 || row >= Math.Max(1, document.Run.Rows.Count) || step < 1 || document.Skipped < 0
            || document.Reported + document.Skipped != step)
        {
            throw new JsonException($"epoch {epoch}, row {row}, step {step}, {document.Skipped} skipped");
        }
        var metrics = tensors.FirstOrDefault(tensor => tensor.Name == Metrics) ?? throw new JsonException("there are no metrics");
        if (metrics.Type != TensorType.F64 || !metrics.Shape.SequenceEqual([document.Reported, Numbers]))
            throw new JsonException("the metrics are not those of the run's steps");
        var numbers = new double[metrics.Bytes.Length / sizeof(double)];
        metrics.Bytes.Span.CopyTo(MemoryMarshal.AsBytes(numbers.AsSpan()));
        var steps = numbers.Chunk(Numbers).Select(FromNumbers).ToList();
        var record = tensors.FirstOrDefault(tensor => tensor.Name == Recorded) ?? throw new JsonException("nothing about recorded rows");
        var recordings = Parse<Recordings>($"{path}, \"{Recorded}\"", record.Bytes.Span);
        foreach (var (at, recorded) in recordings.OfSteps ?? throw new JsonException("nothing about recorded rows"))
            steps[at] = steps[at] with { Recorded = recorded ?? throw new JsonException("nothing about recorded rows") };
        foreach (var (at, reports) in recordings.Validation ?? [])
            steps[at] = steps[at] with { Validation = reports ?? throw new JsonException("no evaluations where there are some") };
        var reported = steps.SelectMany(progress => progress.Validation).ToList();
        List<ValidationReport> evaluations = [.. reported, .. recordings.PendingValidation ?? []];
        if (evaluations.Index().Any(pair => pair.Item is null || pair.Item.WithoutGain < 0 || pair.Item.WithoutGain > pair.Index))
            throw new JsonException("evaluations that no run makes");
        return new Checkpoint
        {
            Run = document.Run,
            State = new RunState { Epoch = epoch, RowsDone = row, Step = step, Skipped = document.Skipped, TokensTrained = document.TokensTrained,
                Steps = steps, Pending = recordings.Pending ?? [], Evaluations = evaluations,
                EvaluationsReported = reported.Count, BestWeights = Floats(Best) },
            TokensScored = document.TokensScored,
            KeptContexts = Floats(Contexts),
            ModelWeights = Floats(Weights),
            OptimizerState = Floats(Optimizer),
        };

        IReadOnlyList<NamedTensor> Floats(string prefix) => StateTensors.Read(prefix, tensors);
    }

    private static T Parse<T>(string place, ReadOnlySpan<byte> json)
        where T : class => JsonFile.Parse(json, new(place, Kind) { FileRemedy = UseAnother }).Deserialize(Of<T>());

    private static JsonTypeInfo<T> Of<T>() => (JsonTypeInfo<T>)s_json.GetTypeInfo(typeof(T));

    /// <summary>Hashes state, names, types, shapes and bytes, with tensors sorted by name, so that the order in the file does not matter.</summary>
    internal static string Hash(string state, IEnumerable<TensorData> tensors)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(state);
        foreach (var tensor in tensors.OrderBy(tensor => tensor.Name, StringComparer.Ordinal))
        {
            Append($"{tensor.Name} {tensor.Type.FileName()} {TensorTypes.Text(tensor.Shape)}");
            hash.AppendData(tensor.Bytes.Span);
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());

        void Append(string text)
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            hash.AppendData(BitConverter.GetBytes(bytes.Length));
            hash.AppendData(bytes);
        }
    }

    private static string Start(string hash) => hash[..Math.Min(12, hash.Length)];

    private static double[] ToNumbers(TrainingProgress p) =>
    [
        p.Step, p.TotalSteps, p.Epoch, p.Loss, p.TokenAccuracy, p.SalientShare, p.GradientNorm, p.LearningRate, p.TokensSeen, p.TokensPerSecond,
            p.Elapsed.Ticks, p.Remaining.Ticks,
    ];

    private static TrainingProgress FromNumbers(double[] n) => new()
    {
        Step = checked((int)n[0]), TotalSteps = checked((int)n[1]), Epoch = n[2], Loss = n[3], TokenAccuracy = n[4], SalientShare = n[5],
            GradientNorm = n[6], LearningRate = n[7],
        TokensSeen = checked((long)n[8]), TokensPerSecond = n[9], Elapsed = TimeSpan.FromTicks(checked((long)n[10])),
            Remaining = TimeSpan.FromTicks(checked((long)n[11])),
    };

    /// <summary>The JSON under <see cref="StateKey"/>.</summary>
    private sealed record Document(int Format, int Epoch, int RowsDone, int Step, int Skipped, long TokensTrained, long TokensScored, int Reported,
        RunIdentity Run);

    /// <summary>The recordings and evaluations, by the index of the step that reported them.</summary>
    private sealed record Recordings(Dictionary<int, IReadOnlyList<RecordedEpoch>> OfSteps, IReadOnlyList<RecordedEpoch> Pending)
    {
        public Dictionary<int, IReadOnlyList<ValidationReport>>? Validation { get; init; }

        public IReadOnlyList<ValidationReport>? PendingValidation { get; init; }
    }

    [JsonSourceGenerationOptions(GenerationMode = JsonSourceGenerationMode.Metadata)]
    [JsonSerializable(typeof(Document))]
    [JsonSerializable(typeof(Recordings))]
    private sealed partial class CheckpointJson : JsonSerializerContext;
}
