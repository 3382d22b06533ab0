namespace Microsoft.ML.Nlft.Objectives;

/// <summary>When the contexts that an objective scores and does not train are scored again (docs/method.md 4.8).</summary>
public enum ContextRefresh
{
    /// <summary>With the weights of every step (as published for NLFT).</summary>
    EveryStep,

    /// <summary>Once at the beginning of every epoch.</summary>
    EveryEpoch,

    /// <summary>Once, before the first step.</summary>
    Once,
}
