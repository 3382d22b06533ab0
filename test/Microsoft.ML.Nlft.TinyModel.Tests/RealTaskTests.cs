using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Feedback;
using Microsoft.ML.Nlft.Study;
using Microsoft.ML.Nlft.Study.Real;

namespace Microsoft.ML.Nlft.TinyModel.Tests;

/// <summary>The tasks for a real model: problems, their solutions, and what is said of wrong responses.</summary>
[TestClass]
public sealed class RealTaskTests
{
    private static IEnumerable<RealTask> Tasks => RealTasks.All.Append(RealTasks.Development);

    [TestMethod]
    public void Distinct_SameSeed_GivesTheSameProblems()
    {
        foreach (var task in Tasks)
        {
            var problems = task.Distinct(RealStudy.Tests + RealStudy.Questions, 1);
            Assert.HasCount(RealStudy.Tests + RealStudy.Questions, problems.Select(problem => problem.Question).Distinct(), task.Name);
            CollectionAssert.AreEqual(problems.Take(20).Select(problem => problem.Question).ToArray(),
                task.Distinct(20, 1).Select(problem => problem.Question).ToArray(), "fewer problems are the first of more");
        }
    }

    [TestMethod]
    public void Fault_OfTheSolution_IsNone()
    {
        foreach (var task in Tasks)
        {
            foreach (var problem in task.Distinct(90, 2)) Assert.IsNull(problem.Fault(problem.Solution), $"{problem.Question}: {problem.Solution}");
        }
    }

    /// <summary>A response that is not the answer is wrong, whatever it is, and a judgment says why.</summary>
    [TestMethod]
    [DataRow("I cannot say.")]
    [DataRow("")]
    [DataRow("{\"name\": \"Nobody\", \"age\": 1000, \"more\": []}")]
    [DataRow("[1]")]
    [DataRow("{\"name\": 1, \"name\": 2}")]
    [DataRow("-7 and 123456789.5")]
    [DataRow("Mixed.")]
    public void Fault_OfSomethingElse_IsNamed(string response)
    {
        foreach (var task in Tasks)
        {
            foreach (var problem in task.Distinct(20, 3))
                Assert.IsFalse(string.IsNullOrWhiteSpace(problem.Fault(response)), $"{problem.Question} {response}");
        }
    }

    [TestMethod]
    public void Fault_OfTheRightContentInAnotherForm_NamesTheForm()
    {
        RealProblem First(string name) => RealTasks.All.Single(task => task.Name == name).Distinct(1, 4)[0];
        var (review, city, json) = (First("review"), First("city"), First("json"));
        Assert.AreEqual("One word is asked for, and this says more than the one word.", review.Fault($"The review is {review.Solution}."));
        Assert.IsNull(review.Fault($" {review.Solution.ToUpperInvariant()}.\n"));
        Assert.AreEqual("The city is there, but its name must stand alone.", city.Fault($"It is {city.Solution}."));
        Assert.AreEqual("This does not name the city.", city.Fault("It is Atlantis."));
        Assert.IsNull(city.Fault($" {city.Solution}."));
        Assert.AreEqual("The object must stand alone, without text or a fence around it.", json.Fault($"```json\n{json.Solution}\n```"));
        Assert.IsNull(json.Fault($"\n{json.Solution}\n"));
    }

    [TestMethod]
    public async Task JudgeAsync_Responses_AreJudgedByTheirProblem()
    {
        var problems = RealTasks.All.Single(task => task.Name == "gives").Distinct(3, 5);
        var judge = new RealJudge(problems);
        Task<Verdict> Judge(string response) => judge.JudgeAsync(new DataRow { Question = problems[1].Question, Response = response });
        Assert.AreEqual(VerdictKind.Correct, (await Judge(problems[1].Solution)).Kind);
        Assert.AreEqual("There is no number in the answer.", (await Judge("none")).Judgment);
        double Reward(string response) => judge.Of(new() { Question = problems[1].Question, Response = response });
        Assert.AreEqual((1, 0), (Reward(problems[1].Solution), Reward("none")));
    }

    [TestMethod]
    public void Markdown_ResultsOfOneSeed_HaveEveryTaskAndMethod()
    {
        string[] answers = ["5 | 6", "7\n8", "`", "x", ""];
        var results = (from task in RealTasks.All from method in RealStudy.Methods
                       let run = new RunResult("key", 25, RealStudy.Tests, 25, 12.5, 700, "code") { Mastered = 0.25, Answers = answers }
                       select new RealResult(task, method, 1, run)).ToList();
        var page = new RealPage(new() { Seeds = 1, CommandLine = "--real" }, Tasks.ToDictionary(task => task, _ => new RealTests(5, answers)),
            RealStudy.Methods.ToDictionary(method => method, _ => new RateChoice(5e-4, [])), results, "code")
            .Markdown([("nothing", new("key", 13, 1319, 0, 0, 0, "code")), ("NLFT and solutions", new("key", 66, 1319, 50, 60, 700, "code"))]);
        StringAssert.Contains(page, "| before training | 10 | 10 | 10 | 10 |  |");
        StringAssert.Contains(page, "| NLFT | 50 (50 to 50) | 50 (50 to 50) | 50 (50 to 50) | 50 [50 to 50] | 0.0 [0.0 to 0.0] |");
        StringAssert.Contains(page, "All 1,319 test questions");
        StringAssert.Contains(page, "| NLFT and solutions | 66 | 5.0 % |");
        StringAssert.Contains(page, "| NLFT | 7 | 25.0 | 12.5 | 700 MiB |");
        StringAssert.Contains(page, "| NLFT | `5 \\| 6` | This is not JSON. |");
        Assert.HasCount(9, RealStudy.Methods.Select(method => method.Name).Distinct().Where(name => page.Contains($"| {name} | 25, 25 |")));
    }
}
