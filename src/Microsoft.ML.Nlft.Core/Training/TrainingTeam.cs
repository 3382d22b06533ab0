using System.Reflection;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.ML.Nlft.Engines;

namespace Microsoft.ML.Nlft.Training;

/// <summary>
/// One run on several processes: what they must agree on. Each does its part of a stage, then all learn how it went for the others, so that all go on, are
/// cancelled, or end with the same exception. For a process on its own everything here does nothing.
/// </summary>
internal sealed class TrainingTeam(ITrainingGroup? group)
{
    private float[] _flat = [];
    private Exception? _agreed;

    public int Size { get; } = group?.Size ?? 1;

    public int Rank { get; } = group?.Rank ?? 0;

    /// <summary>Whether the present stage was cancelled on any process.</summary>
    public bool Cancelled { get; private set; }

    /// <summary>What messages call a process.</summary>
    public string Name(int rank) => group!.Name(rank);

    /// <summary>Does this process's part of a stage; every process does its own.</summary>
    /// <param name="work">The part; is given a token that is cancelled also when another process fails.</param>
    /// <param name="cancellationToken">The caller's.</param>
    /// <param name="numbers">Numbers that are added up over the processes when all went well: filled by <paramref name="work"/>.</param>
    /// <exception cref="NlftException">What the first of the processes that failed threw, on all of them; or another process has ended.</exception>
    /// <exception cref="OperationCanceledException">Cancelled, here or elsewhere.</exception>
    public T Together<T>(Func<CancellationToken, T> work, CancellationToken cancellationToken, double[]? numbers = null)
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

        double[] sums = [mine is OperationCanceledException ? 1 : 0, mine is NlftException ? 1 : 0, .. mine is null ? numbers ?? [] : new double[numbers?.Length ?? 0]];
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

    /// <summary>Adds up the accumulated gradients over the processes.</summary>
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

    /// <summary>Refuses processes that are about to train something else than the others.</summary>
    /// <param name="mine">This process's run.</param>
    /// <param name="step">Where it begins.</param>
    /// <param name="model">Its weights as they stand.</param>
    /// <exception cref="NlftException">Names the processes and each difference.</exception>
    public void RequireSame(Lazy<RunIdentity> mine, int step, ICausalLanguageModel model)
    {
        if (group is null || Size == 1) return;
        var version = typeof(TrainingTeam).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;
        var here = new RunIdentity(mine.Value.BaseModel, mine.Value.Engine, new SortedDictionary<string, string>(mine.Value.Options.ToDictionary(), StringComparer.Ordinal)
        {
            ["library version"] = version,
            ["steps done"] = $"{step}",
            ["weights to begin with"] = HashOf(model)[..12],
        }, mine.Value.Rows);
        var bytes = JsonSerializer.SerializeToUtf8Bytes(here);
        var hash = SHA256.HashData(bytes);
        if (group.Exchange(hash).All(other => other.AsSpan().SequenceEqual(hash))) return;

        var all = group.Exchange(bytes).Select(other => JsonSerializer.Deserialize<RunIdentity>(other)!).ToList();
        var others = Enumerable.Range(1, Size - 1).Select(rank => (Name: Name(rank), Differences: string.Join("; ", all[0].DifferencesFrom(all[rank], anyEngine: false, "there", "on rank 0"))))
            .Where(other => other.Differences.Length > 0).GroupBy(other => other.Differences).Select(same => $"{string.Join(" and ", same.Select(other => other.Name))}: {same.Key}");
        throw _agreed = new NlftException($"{Size} processes that are to train one model", $"different runs ({string.Join(". ", others)})",
            "the same rows, options, base model and library version on every process", "Start every process with the same program, arguments and files.");
    }

    /// <summary>
    /// Makes sure that every process holds the same weights, to the bit. Equal processors give equal steps; where they are not equal, process 0's weights and
    /// optimizer are taken by all.
    /// </summary>
    public void KeepEqual(ICausalLanguageModel model)
    {
        if (group is null || Size == 1) return;
        var hash = Encoding.ASCII.GetBytes(HashOf(model));
        if (group.Exchange(hash).All(other => other.AsSpan().SequenceEqual(hash))) return;
        foreach (var state in (ModelState[])[ModelState.Weights, ModelState.Optimizer])
        {
            var tensors = model.Export(state);
            foreach (var tensor in tensors) group.FromFirst(MemoryMarshal.AsBytes(tensor.Values.AsSpan())).CopyTo(MemoryMarshal.AsBytes(tensor.Values.AsSpan()));
            model.Import(state, tensors);
        }
    }

    /// <summary>Numbers of every process, by rank.</summary>
    public IReadOnlyList<float[]> Exchange(float[] mine) =>
        group is null || Size == 1 ? [mine] : [.. group.Exchange(MemoryMarshal.AsBytes<float>(mine)).Select(bytes => MemoryMarshal.Cast<byte, float>(bytes).ToArray())];

    /// <summary>This process leaves with an exception: unless all throw it together, the others are told.</summary>
    public void Leave(Exception e)
    {
        if (group is not null && Size > 1 && (_agreed is null || (e != _agreed && e.InnerException != _agreed))) group.Fail(e.Message);
    }

    private static string HashOf(ICausalLanguageModel model)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var tensor in model.Export(ModelState.Weights)) hash.AppendData(MemoryMarshal.AsBytes(tensor.Values.AsSpan()));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>An exception as it travels.</summary>
    private sealed record Refusal(string Subject, string Found, string Expected, string Remedy, bool NotFinite)
    {
        public static byte[] Write(NlftException e, string place) => JsonSerializer.SerializeToUtf8Bytes(new Refusal(e.Subject + place, e.Found, e.Expected, e.Remedy, e.NotFinite));

        public static NlftException Read(byte[] bytes) => JsonSerializer.Deserialize<Refusal>(bytes)! is var (subject, found, expected, remedy, notFinite)
            ? new NlftException(subject, found, expected, remedy) { NotFinite = notFinite } : null!;
    }
}
