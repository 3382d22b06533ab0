namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>The projections into the feed-forward network.</summary>
public enum FeedForwardLayout
{
    /// <summary>A gate and what it is multiplied by, from a projection each.</summary>
    Separate,

    /// <summary>Both from one projection: the gate first.</summary>
    Fused,

    /// <summary>No gate: the activation of one projection.</summary>
    UpOnly,
}
