namespace Microsoft.ML.Nlft.Training;

/// <summary>
/// What training asks of processes that train one model together. All but <see cref="Fail"/> is collective: every process calls it, in the same
/// order.
/// </summary>
internal interface ITrainingGroup
{
    /// <summary>The number of this process, from 0.</summary>
    int Rank { get; }

    /// <summary>How many processes there are.</summary>
    int Size { get; }

    /// <summary>Cancelled when another process has failed.</summary>
    CancellationToken Failed { get; }

    /// <summary>What went wrong with another process, or null.</summary>
    NlftException? Failure { get; }

    /// <summary>What messages call a process.</summary>
    string Name(int rank);

    /// <summary>Replaces every number by its sum over the processes: the same bits on each.</summary>
    void Sum(Span<float> values);

    /// <inheritdoc cref="Sum(Span{float})"/>
    void Sum(Span<double> values);

    /// <summary>The bytes of every process, by rank.</summary>
    IReadOnlyList<byte[]> Exchange(ReadOnlySpan<byte> mine);

    /// <summary>The bytes of process 0.</summary>
    byte[] FromFirst(ReadOnlySpan<byte> mine);

    /// <summary>Tells the others that this process cannot go on.</summary>
    void Fail(string reason);
}
