namespace Microsoft.ML.Nlft.Training;

/// <summary>
/// Provides the communication of processes that train one model together. All members but <see cref="Fail"/> are collective: every process calls
/// them in the same order.
/// </summary>
internal interface ITrainingGroup
{
    /// <summary>The rank of this process, from 0.</summary>
    int Rank { get; }

    /// <summary>The number of processes.</summary>
    int Size { get; }

    /// <summary>Cancelled when another process has failed.</summary>
    CancellationToken Failed { get; }

    /// <summary>The failure of another process, or null.</summary>
    NlftException? Failure { get; }

    /// <summary>Returns the name of a process in messages.</summary>
    string Name(int rank);

    /// <summary>Replaces every number by its sum over the processes, identical to the bit on each.</summary>
    void Sum(Span<float> values);

    /// <inheritdoc cref="Sum(Span{float})"/>
    void Sum(Span<double> values);

    /// <summary>Returns the bytes of every process, by rank.</summary>
    IReadOnlyList<byte[]> Exchange(ReadOnlySpan<byte> mine);

    /// <summary>Returns the bytes of process 0.</summary>
    byte[] FromFirst(ReadOnlySpan<byte> mine);

    /// <summary>Tells the other processes that this one cannot continue.</summary>
    void Fail(string reason);
}
