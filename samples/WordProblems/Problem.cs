namespace WordProblems;

/// <summary>A test problem.</summary>
internal class Problem
{
    public string Question { get; set; } = "";

    public string Answer { get; set; } = "";
}

/// <summary>A test problem with the answer of a model.</summary>
internal sealed class AnsweredProblem : Problem
{
    public string GeneratedAnswer { get; set; } = "";
}
