namespace Microsoft.ML.Nlft.Objectives;

/// <summary>The rule by which neighbours of a salient token join its cluster (docs/method.md, section 4.4).</summary>
public enum ClusterRule
{
    /// <summary>A neighbour joins while its cosine distance to the cluster's centre is above the threshold, as published.</summary>
    Dissimilar,

    /// <summary>A neighbour joins while its cosine similarity to the cluster's centre is above the threshold.</summary>
    Similar,

    /// <summary>No neighbour joins; hidden states are not needed.</summary>
    None,
}
