namespace Microsoft.ML.Nlft.Objectives;

/// <summary>What a salient token of a wrong response teaches.</summary>
public enum SalientTarget
{
    /// <summary>That it is wrong: log(1 - b) (as published).</summary>
    Unlikelihood,

    /// <summary>
    /// What to write in its place: KL(q || b), where the teacher q is the model's own prediction in the standard context before the first step.
    /// </summary>
    Teacher,
}
