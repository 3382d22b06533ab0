namespace Microsoft.ML.Nlft.Objectives;

/// <summary>How the neighbours of a salient token join it (docs/method.md 4.4).</summary>
public enum ClusterRule
{
    /// <summary>While the cosine distance to the cluster's centre is above the threshold: as published.</summary>
    Dissimilar,

    /// <summary>While the cosine similarity to the cluster's centre is above the threshold.</summary>
    Similar,

    /// <summary>No neighbour joins; hidden states are not needed.</summary>
    None,
}
