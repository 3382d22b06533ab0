using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.ML.Nlft.Common;
using Microsoft.ML.Nlft.Engines;

namespace Microsoft.ML.Nlft.Training;

/// <summary>
/// Coordinates a run on several processes. Each process does its part of a stage, then all exchange the outcome, so that all continue, are
/// cancelled, or fail with the same exception. In a single process it only runs the work.
/// </summary>
internal sealed class TrainingTeam(ITrainingGroup? group)
{
    private float[] _flat = [];
    private Exception? _agreed;

    public int Size { get; } = group?.Size ?? 1;

    public int Rank { get; } = group?.Rank ?? 0;

    /// <summary>Whether any process cancelled the current stage.</summary>
    public bool Cancelled { get; private set; }

    /// <summary>Returns the name of a process in messages.</summary>
    public string Name(int rank) => group!.Name(rank);

    /// <summary>Runs this process's part of a stage; every process calls it.</summary>
    /// <param name="work">The part; its token is also cancelled when another process fails.</param>
    /// <param name="cancellationToken">The caller's.</param>
    /// <param name="numbers">Numbers that <paramref name="work"/> fills in and that are summed over the processes on success.</param>
    /// <exception cref="NlftException">The exception of the first process that failed, on all of them; or another process has ended.</exception>
    /// <exception cref="OperationCanceledException">The stage was cancelled on any process.</exception>
    public T RunOnAll<T>(Func<CancellationToken, T> work, CancellationToken cancellationToken, double[]? numbers = null)
    {
        if (group is null || Size == 1) return work(cancellationToken);
        T? result = default;
        Exception? mine = null;
        using (var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, group.Failed))
        {
            try
            {
                result = work(linked.Token);
                cancellationToken.ThrowIfCancellationRequested();
            }
            catch (OperationCanceledException e) when (linked.IsCancellationRequested)
            {
                if (group.Failure is { } failure) throw failure.Wrap();
                mine = e;
            }
            catch (NlftException e)
            {
                mine = e;
            }
        }

        var counted = mine is null ? numbers ?? [] : new double[numbers?.Length ?? 0];
        double[] sums = [mine is OperationCanceledException ? 1 : 0, mine is NlftException ? 1 : 0, .. counted];
        group.Sum(sums);
        if (sums[1] > 0)
        {
            var refusals = group.Exchange(mine is NlftException refusal ? Refusal.Write(refusal, Rank > 0 ? $" ({Name(Rank)})" : "") : []);
            throw _agreed = Refusal.Read(refusals.First(bytes => bytes.Length > 0));
        }
        if (sums[0] > 0)
        {
            Cancelled = true;
            throw _agreed = mine ?? new OperationCanceledException("Another process of the job was cancelled.");
        }
        sums.AsSpan(2).CopyTo(numbers);
        return result!;
    }

    /// <summary>Sums the accumulated gradients over the processes.</summary>
    public void SumGradients(ICausalLanguageModel model)
    {
        if (group is null || Size == 1) return;
        var gradients = model.Export(ModelState.Gradients);
        var length = gradients.Sum(tensor => (long)tensor.Values.Length);
        if (_flat.Length != length) _flat = new float[length];
        var at = 0;
        foreach (var tensor in gradients)
        {
            tensor.Values.CopyTo(_flat, at);
            at += tensor.Values.Length;
        }
        group.Sum(_flat);
        at = 0;
        foreach (var tensor in gradients)
        {
            _flat.AsSpan(at, tensor.Values.Length).CopyTo(tensor.Values);
            at += tensor.Values.Length;
        }
        model.Import(ModelState.Gradients, gradients);
    }

    /// <summary>Refuses processes whose runs differ.</summary>
    /// <param name="mine">This process's run.</param>
    /// <param name="step">The step at which it starts.</param>
    /// <param name="model">The model with its current weights.</param>
    /// <exception cref="NlftException">The runs differ; the message names the processes and each difference.</exception>
    public void RequireSame(Lazy<RunIdentity> mine, int step, ICausalLanguageModel model)
    {
        if (group is null || Size == 1) return;
        var run = mine.Value;
        var here = new RunIdentity(run.BaseModel, run.Engine, new SortedDictionary<string, string>(run.Options.ToDictionary(), StringComparer.Ordinal)
        {
            ["library version"] = LibraryVersion.Full,
            ["steps done"] = $"{step}",
            ["weights to begin with"] = HashOf(model)[..12],
        }, run.Rows);
        var bytes = JsonSerializer.SerializeToUtf8Bytes(here, TrainingJson.Default.RunIdentity);
        var hash = SHA256.HashData(bytes);
        if (group.Exchange(hash).All(other => other.AsSpan().SequenceEqual(hash))) return;

        var all = group.Exchange(bytes).Select(other => JsonSerializer.Deserialize(other, TrainingJson.Default.RunIdentity)!).ToList();
        var others = Enumerable.Range(1, Size - 1)
            .Select(rank => (Name: Name(rank),
                Differences: string.Join("; ", all[0].DifferencesFrom(all[rank], anyEngine: false, "there", "on rank 0"))))
            .Where(other => other.Differences.Length > 0).GroupBy(other => other.Differences)
            .Select(same => $"{string.Join(" and ", same.Select(other => other.Name))}: {same.Key}");
        throw _agreed = new NlftException($"{Size} processes that are to train one model", $"different runs ({string.Join(". ", others)})",
            "the same rows, options, base model and library version on every process",
            "Start every process with the same program, arguments and files.");
    }

    /// <summary>
    /// Ensures that all processes have the same weights, to the bit. Equal processors give equal steps; where they differ, all processes take over
    /// the weights and the optimizer of process 0.
    /// </summary>
    public void KeepEqual(ICausalLanguageModel model)
    {
        if (group is null || Size == 1) return;
        var hash = Encoding.ASCII.GetBytes(HashOf(model));
        if (group.Exchange(hash).All(other => other.AsSpan().SequenceEqual(hash))) return;
        foreach (var state in (ModelState[])[ModelState.Weights, ModelState.Optimizer])
        {
            var tensors = model.Export(state);
            foreach (var tensor in tensors)
                group.FromFirst(MemoryMarshal.AsBytes(tensor.Values.AsSpan())).CopyTo(MemoryMarshal.AsBytes(tensor.Values.AsSpan()));
            model.Import(state, tensors);
        }
    }

    /// <summary>Returns the numbers of every process, by rank.</summary>
    public IReadOnlyList<float[]> Exchange(float[] mine) =>
        group is null || Size == 1 ? [mine]
            : [.. group.Exchange(MemoryMarshal.AsBytes<float>(mine)).Select(bytes => MemoryMarshal.Cast<byte, float>(bytes).ToArray())];

    /// <summary>Returns the bytes of every process, by rank.</summary>
    public IReadOnlyList<byte[]> Exchange(byte[] mine) => group is null || Size == 1 ? [mine] : group.Exchange(mine);

    /// <summary>Runs work; if only this process fails, tells the others why.</summary>
    public T ReportFailures<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch (Exception e)
        {
            if (group is not null && Size > 1 && (_agreed is null || (e != _agreed && e.InnerException != _agreed))) group.Fail(e.Message);
            throw;
        }
    }

    private static string HashOf(ICausalLanguageModel model)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var tensor in model.Export(ModelState.Weights)) hash.AppendData(MemoryMarshal.AsBytes(tensor.Values.AsSpan()));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Serializes an exception for the other processes.</summary>
    internal sealed record Refusal(string Subject, string Found, string Expected, string Remedy, bool NotFinite)
    {
        public static byte[] Write(NlftException e, string place) =>
            JsonSerializer.SerializeToUtf8Bytes(
                new Refusal(e.Subject + place, e.Found, e.Expected, e.Remedy, e.NotFinite), TrainingJson.Default.Refusal);

        public static NlftException Read(byte[] bytes) =>
            JsonSerializer.Deserialize(bytes, TrainingJson.Default.Refusal)! is var (subject, found, expected, remedy, notFinite)
            ? new NlftException(subject, found, expected, remedy) { NotFinite = notFinite } : null!;
    }
}
