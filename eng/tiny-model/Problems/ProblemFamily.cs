namespace Microsoft.ML.Nlft.TinyModel.Problems;

/// <summary>A family of problems: the same steps with different words, names and numbers.</summary>
/// <param name="Name">A short name, for example <c>fewer-than-twice</c>.</param>
/// <param name="Summary">The problem in one line, with its misconception if it has one.</param>
/// <param name="HasMisconception">Whether some steps have a planted misconception.</param>
/// <param name="Create">Creates the question and steps of a problem.</param>
public sealed record ProblemFamily(string Name, string Summary, bool HasMisconception, Func<Random, (string Question, SolutionStep[] Steps)> Create)
{
    /// <summary>Draws a problem for which no misconception gives the right answer by chance.</summary>
    public WordProblem Draw(Random random)
    {
        WordProblem problem;
        do
        {
            var (question, steps) = Create(random);
            problem = new WordProblem(Name, question, steps);
        }
        while (problem.Misunderstandings().Any(wrong => wrong.Answer == problem.Answer));
        return problem;
    }

    /// <inheritdoc/>
    public override string ToString() => Name;
}
