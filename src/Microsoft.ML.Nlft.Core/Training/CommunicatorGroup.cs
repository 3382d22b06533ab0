using Microsoft.ML.Nlft.Distributed;

namespace Microsoft.ML.Nlft.Training;

/// <summary>Adapts a communicator to <see cref="ITrainingGroup"/>.</summary>
internal sealed class CommunicatorGroup(Communicator ranks) : ITrainingGroup
{
    /// <summary>Returns the group; null for a single process.</summary>
    public static ITrainingGroup? Of(Communicator? ranks) => ranks is null or { Size: 1 } ? null : new CommunicatorGroup(ranks);

    public int Rank => ranks.Rank;

    public int Size => ranks.Size;

    public CancellationToken Failed => ranks.Failed;

    public NlftException? Failure => ranks.Failure;

    public string Name(int rank) => ranks.Places[rank].ToString();

    public void Sum(Span<float> values) => ranks.AllReduceSum(values);

    public void Sum(Span<double> values) => ranks.AllReduceSum(values);

    public IReadOnlyList<byte[]> Exchange(ReadOnlySpan<byte> mine) => ranks.AllGather(mine);

    public byte[] FromFirst(ReadOnlySpan<byte> mine) => ranks.Broadcast(mine);

    public void Fail(string reason) => ranks.Fail(reason);
}
