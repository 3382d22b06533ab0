using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Report;
using Microsoft.ML.Nlft.TinyModel.Pretraining;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Study;

/// <summary>A training run of the study.</summary>
internal sealed record Cell(StudyFamily Family, Mix Mix, int Rows, Method Method, int Seed)
{
    public string Key(double rate) => string.Create(CultureInfo.InvariantCulture,
        $"{Family.Name} | {Mix} | {Rows} | {Method.Name} | {rate} | {Seed}");
}

/// <summary>Runs the study: data, learning rates, training runs, page.</summary>
internal sealed class StudyRun(string root, StudyOptions options, TextWriter log)
{
    public const int BatchSize = 4, TargetSteps = 50;

    /// <summary>The rows and seeds of the learning-rate search.</summary>
    public static readonly int[] DevelopmentRows = [10, 50], DevelopmentSeeds = [101, 102, 103];

    private readonly string _folder = Path.Combine(root, "artifacts", "study");
    private readonly string _results = Path.Combine(root, "eng", "study", "results"); // of studies that take hours, kept with their pages
    private readonly Dictionary<string, StudyData> _data = [];
    private readonly Stopwatch _watch = new();
    private int _fresh;

    private string ModelFolder => Path.Combine(root, "samples", "models", "tiny-word-problems");

    private RunLedger Ledger => field ??= new RunLedger(Path.Combine(_folder, options.Variants ? "variants.jsonl" : "runs.jsonl"));

    private string Code => field ??= CodeVersion();

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var families = StudyFamily.All.Where(family => options.Families.Count == 0 || options.Families.Contains(family.Name)).ToList();
        if (options.EarlyStopping)
        {
            await MakeDataAsync(families, cancellationToken);
            new EarlyStopping(ModelFolder, log).Run(_data, options.Seeds, cancellationToken);
            return;
        }
        if (options.Real)
        {
            await CompareRealAsync(cancellationToken);
            return;
        }
        if (options.Informed)
        {
            await MakeDataAsync([.. families, StudyFamily.Development], cancellationToken);
            new InformedStudy(ModelFolder, _results, options, Code, log).Run(_data, families, Page("study-informed.md"), cancellationToken);
            return;
        }
        if (options.Reinforced)
        {
            await MakeDataAsync(families, cancellationToken);
            new Reinforcement(ModelFolder, log).Run(_data, options.Seeds, cancellationToken);
            return;
        }
        if (options.Variants)
        {
            await CompareVariantsAsync(families, cancellationToken);
            return;
        }
        var basic = await MakeDataAsync([.. families, StudyFamily.Development], cancellationToken);
        var search = Search(cancellationToken);
        var cells = Plan(families, options).ToList();
        var results = new List<(Cell Cell, RunResult? Result)>();
        foreach (var cell in cells)
        {
            var result = Run(cell, search[cell.Method].Rate, cancellationToken);
            results.Add((cell, result));
            if (result is not null) Log($"{results.Count} of {cells.Count}", cell, result, cells.Count - results.Count);
        }
        var page = Page("study.md");
        new StudyPage(options, families, basic, search, results, Code).Write(page);
        log.WriteLine($"Written: {page}");
    }

    private async Task CompareVariantsAsync(IReadOnlyList<StudyFamily> families, CancellationToken cancellationToken)
    {
        await MakeDataAsync(families, cancellationToken);
        var plan = Variant.Plan(families).ToList();
        var results = new List<(Cell, Variant, RunResult?)>();
        foreach (var (cell, variant) in plan)
        {
            var result = Run(cell, variant.Rate, cancellationToken);
            results.Add((cell, variant, result));
            if (result is not null) Log($"{results.Count} of {plan.Count}", cell, result, plan.Count - results.Count);
        }
        var page = Page("study-variants.md");
        ReportFile.Write(page, new VariantPage(options, families, results).Markdown());
        log.WriteLine($"Written: {page}");
    }

    private async Task CompareRealAsync(CancellationToken cancellationToken)
    {
        var shared = Environment.GetEnvironmentVariable("NLFT_FIXTURES") ?? Path.Combine(root, "..", "shared");
        var model = Path.GetFullPath(options.Model
            ?? Path.Combine(shared, "models", "smollm2-135m-instruct", "SmolLM2-135M-Instruct.Q4_1.gguf"));
        if (!Path.Exists(model))
        {
            log.WriteLine($"Skipped: there is no {model}; name a model with --model.");
            return;
        }
        await new Real.RealStudy(model, Path.Combine(shared, "fixtures", "gsm8k"), _results, options, Code, log)
            .RunAsync(Page("study-real.md"), cancellationToken);
    }

    private string Page(string name) => options.Output is { } given ? Path.GetFullPath(given) : Path.Combine(root, "docs", name);

    /// <summary>
    /// Lists the runs: every method at every size and mix, except methods that only make sense for responses as sampled.
    /// </summary>
    public static IEnumerable<Cell> Plan(IReadOnlyList<StudyFamily> families, StudyOptions options) =>
        from seed in Enumerable.Range(1, options.Seeds)
        from family in families
        from mix in Enum.GetValues<Mix>()
        from rows in options.Rows
        from method in Method.All
        where mix == Mix.AsTheyCome || method.NeedsBothKinds == false
        select new Cell(family, mix, rows, method, seed);

    /// <summary>Returns the epochs that give about the same number of steps for every size.</summary>
    public static int EpochsFor(int rows) => Math.Max(1, (int)Math.Round((double)TargetSteps / ((rows + BatchSize - 1) / BatchSize)));

    private async Task<IReadOnlyDictionary<string, (int Right, int Total, (int Correct, int Incorrect) Pool)>> MakeDataAsync(
        IReadOnlyList<StudyFamily> families, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(_folder);
        using var model = LocalModel.Load(ModelFolder, cancellationToken: cancellationToken);
        var seen = TrainingMix.Rows(new PretrainingRecipe()).Select(row => row.Example.Question).ToHashSet();
        var basic = new Dictionary<string, (int, int, (int, int))>();
        foreach (var family in families)
        {
            var data = _data[family.Name] = await StudyData.MakeAsync(family, model, seen, Path.Combine(_folder, $"responses-{family.Name}.jsonl"),
                options.EarlyStopping, cancellationToken);
            basic[family.Name] = (data.TestModel(model, cancellationToken).Right, data.Test.Count, data.Pool);
            log.WriteLine(
                $"{family.Name}: {data.Pool.Correct} right and {data.Pool.Incorrect} wrong responses, {data.Test.Count} test problems, the base "
                + $"model has {basic[family.Name].Item1} right");
        }
        return basic;
    }

    /// <summary>
    /// Finds the best rate of every method on the development family, with the same rates, rows and seeds for each; the smaller of equals.
    /// </summary>
    private IReadOnlyDictionary<Method, RateChoice> Search(CancellationToken cancellationToken)
    {
        var choices = new Dictionary<Method, RateChoice>();
        foreach (var method in Method.All)
        {
            choices[method] = RateChoice.Of(options.Rates, rate => from rows in DevelopmentRows from seed in DevelopmentSeeds select Run(
                new Cell(StudyFamily.Development, Mix.AsTheyCome, rows, method, seed), rate, cancellationToken));
            log.WriteLine($"learning rate of {method.Name}: {choices[method]}");
        }
        return choices;
    }

    /// <summary>Trains and tests, or returns the known result; null when there are too few rows.</summary>
    private RunResult? Run(Cell cell, double rate, CancellationToken cancellationToken)
    {
        if (Ledger.Find(cell.Key(rate)) is { } known) return known;
        var data = _data[cell.Family.Name];
        if (data.Rows(cell.Mix, cell.Rows, cell.Seed) is not { } drawn || cell.Method.Rows(drawn) is not { Count: > 0 } rows) return null;
        cancellationToken.ThrowIfCancellationRequested();
        _watch.Start();
        using var model = LocalModel.Load(ModelFolder, new() { Trainable = TrainableWeights.Lora, Seed = cell.Seed }, cancellationToken);
        var training = new FineTuneOptions { Epochs = EpochsFor(rows.Count), BatchSize = BatchSize, LearningRate = rate,
            Refresh = cell.Method.Refresh, Seed = cell.Seed };
        var memory = new PeakMemory();
        var watch = Stopwatch.StartNew();
        var result = model.FineTune(rows, cell.Method.Objective(), training, new Listener<TrainingProgress>(_ => memory.Sample()), cancellationToken);
        var (seconds, peak) = (watch.Elapsed.TotalSeconds, memory.Megabytes());
        var tests = data.TestModel(model, cancellationToken);
        double[] salient = [result.Steps.Take(5).Average(step => step.SalientShare), result.Steps.TakeLast(5).Average(step => step.SalientShare)];
        var run = new RunResult(cell.Key(rate), tests.Right, data.Test.Count, result.Steps.Count, seconds, peak, Code, salient, tests.FirstWrong);
        Ledger.Add(run);
        _watch.Stop();
        _fresh++;
        return run;
    }

    private void Log(string place, Cell cell, RunResult result, int left)
    {
        var remaining = _fresh == 0 ? "" : $", about {_watch.Elapsed / _fresh * left:hh\\:mm\\:ss} left";
        log.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{place}: {cell.Family.Name}, {cell.Rows} rows {cell.Mix}, {cell.Method.Name}, seed {cell.Seed}: {100 * result.Accuracy:0.0} %, "
                + $"{result.Seconds:0.0} s{remaining}"));
    }

    /// <summary>Returns the commit and date of the code from git.</summary>
    private string CodeVersion()
    {
        try
        {
            using var git = Process.Start(new ProcessStartInfo("git",
                ["-C", root, "log", "-1", "--format=%h of %cs"]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            var said = git.StandardOutput.ReadToEnd().Trim();
            git.WaitForExit();
            return git.ExitCode == 0 && said.Length > 0 ? said : "unknown";
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return "unknown"; // git is not installed
        }
    }
}
