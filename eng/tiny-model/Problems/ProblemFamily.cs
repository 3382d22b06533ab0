namespace Microsoft.ML.Nlft.TinyModel.Problems;

/// <summary>Problems of one make: the same steps told with other words, names and numbers.</summary>
/// <param name="Name">A short name, for example <c>fewer-than-twice</c>.</param>
/// <param name="Summary">The problem in one line, and the misconception where there is one.</param>
/// <param name="HasMisconception">Whether some steps have a planted misconception.</param>
/// <param name="Tell">Makes a problem's question and steps.</param>
public sealed record ProblemFamily(string Name, string Summary, bool HasMisconception, Func<Random, (string Question, SolutionStep[] Steps)> Tell)
{
    /// <summary>Draws a problem in which no misunderstanding leads to the right answer by chance.</summary>
    public WordProblem Draw(Random random)
    {
        WordProblem problem;
        do
        {
            var (question, steps) = Tell(random);
            problem = new WordProblem(Name, question, steps);
        }
        while (problem.Misunderstandings().Any(wrong => wrong.Answer == problem.Answer));
        return problem;
    }

    /// <inheritdoc/>
    public override string ToString() => Name;
}
