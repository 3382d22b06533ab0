namespace Microsoft.ML.Nlft.ModelFiles;

/// <summary>How queries, keys and values lie in the output of their projections.</summary>
public enum QkvLayout
{
    /// <summary>A projection for each.</summary>
    Separate,

    /// <summary>One projection: all queries, then all keys, then all values.</summary>
    Blocks,

    /// <summary>One projection: the query, the key and the value of the first head, then those of the next one.</summary>
    ByHead,
}
