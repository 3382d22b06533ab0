using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Saliency;

namespace Microsoft.ML.Nlft.Browser;

/// <summary>A map of a thousand rows of 300 tokens: the size of its file and of its page; prints the time to open and to recolour it.</summary>
[TestClass]
[TestCategory("Browser")]
[DoNotParallelize]
public sealed class LargeMapTests
{
    private const int Rows = 1000, Tokens = 300, Width = 64, Vocabulary = 8000;
    private const long LargestFile = 25_000_000;

    /// <summary>A page that held every token would have 300,000 elements; it draws the rows in view alone.</summary>
    private const long MostElements = Rows * Tokens / 10;

    [TestMethod]
    [TestCategory("Slow")]
    public void Page_ThousandRowsOf300Tokens_DrawsTheRowsInView()
    {
        var path = Path.Combine(Directory.CreateTempSubdirectory("nlft-page").FullName, "large.html");
        var made = Stopwatch.StartNew();
        RandomMap().Save(path);
        var size = new FileInfo(path).Length;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{Rows} rows of {Tokens} tokens, one in four right: made in {made.Elapsed.TotalSeconds:0.0} s, {size / 1e6:0.0} MB"));

        using var browser = HeadlessBrowser.Start(watchRequests: false);
        var opened = new List<double>();
        for (var time = 0; time < 3; time++)
        {
            browser.OpenFile(path);
            // From the start of the navigation until the page has been drawn.
            opened.Add(browser.Run(
                "await nlft.page; return new Promise(resolve => requestAnimationFrame(() => setTimeout(() => resolve(performance.now()))));")
                .GetDouble());
        }
        var recoloured = new List<double>();
        foreach (var value in new[] { "2", "3", "1.2", "1.5" })
        {
            recoloured.Add(browser.Run("""
                const begin = performance.now(), range = document.getElementById('range-SalientRatioToBase');
                range.value = arguments[0];
                range.dispatchEvent(new Event('input'));
                const frame = () => new Promise(requestAnimationFrame);
                await frame();
                await frame();
                return new Promise(resolve => setTimeout(() => resolve(performance.now() - begin)));
                """, value).GetDouble());
        }
        var elements = browser.Run("return document.getElementsByTagName('*').length;").GetInt64();
        browser.Screenshot("map-large");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"opens in {opened.Order().ElementAt(1):0} ms (median of 3), colours anew in {recoloured.Max():0} ms at most (machine of "
            + $"{Environment.ProcessorCount} processors)"));
        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);

        Assert.IsLessThan(LargestFile, size);
        Assert.IsLessThan(MostElements, elements, $"{elements} elements");
        Assert.AreEqual("", string.Join('\n', browser.Complaints()));
    }

    /// <summary>
    /// Creates random tokens with probabilities, and hidden states spread like those of a language model, with cosines around 0.5.
    /// </summary>
    private static SaliencyMap RandomMap()
    {
        var objective = new NaturalLanguageObjective();
        var random = new Random(1);
        double Log(double p) => (float)Math.Log(p);
        var seen = Enumerable.Range(0, Rows).Select(row =>
        {
            var correct = row % 4 == 0;
            var shared = Vector(random);
            var scores = new ExampleScores
            {
                Polarity = correct ? Polarity.Correct : Polarity.Incorrect,
                Base = [.. Enumerable.Range(0, Tokens).Select(_ => Log(Math.Pow(random.NextDouble(), 0.5)))],
                Standard = [.. Enumerable.Range(0, Tokens).Select(_ => Log(Math.Pow(random.NextDouble(), 0.5)))],
                Judge = correct ? [] : [.. Enumerable.Range(0, Tokens).Select(_ => Log(Math.Pow(random.NextDouble(), 0.5)))],
                HiddenStates = (float[])[.. Enumerable.Range(0, Tokens).SelectMany(_ => Vector(random).Zip(shared, (own, common) => own + common))],
            };
            return ExampleSaliency.Of(objective, scores, [.. Enumerable.Range(0, Tokens).Select(_ => random.Next(Vocabulary))]);
        }).ToList();
        var rows = seen.Select((one, i) => new TrainingExample
        {
            Question = $"Question {i}: how many are there when {i} are taken away from twice as many, and who has them in the end?", Response = "...",
            Answer = $"{i}", Judgment = one.Polarity == Polarity.Correct ? null : "The second step adds where it should subtract.",
            Source = $"row {i + 1}",
        }).ToList();
        return SaliencyMap.Create("random", objective.Options, rows, [new RecordedEpoch(0, seen)], id => $" w{id}");
    }

    private static float[] Vector(Random random) => [.. Enumerable.Range(0, Width)
        .Select(_ => (float)(random.NextDouble() + random.NextDouble() - 1))];
}
