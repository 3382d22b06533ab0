// A real model from end to end, on a CPU: SmolLM2-135M-Instruct, a GGUF file of four-bit weights, learns word problems from its own judged answers.
//   1. It answers questions.
//   2. A judge compares the answers with the right numbers and says in words what is wrong.
//   3. NLFT trains on all of these answers; SFT trains on the right ones among them, and once more on worked solutions of the same questions.
//   4. Held-out questions, answered after every epoch, decide which weights are kept.
//   5. The base model and the tuned ones answer unseen questions.
//   6. The model tuned by NLFT is written as a GGUF file of its own.
//   7. llama.cpp, through LLamaSharp, answers from that file with the same text.
// Arguments, all optional: --model FILE (default: the file among the shared data, in the folder that NLFT_FIXTURES names or else ../shared),
// --questions N (default 100: so many to train on, three tenths as many held out, twice as many to test), --maximum-new-tokens N (default 64).
using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using Microsoft.ML.Nlft;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Evaluation;
using Microsoft.ML.Nlft.Feedback;
using Microsoft.ML.Nlft.Generation;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Monitoring;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.TinyModel.Problems;
using Microsoft.ML.Nlft.Training;
using RealModel;

const int Seed = 1, Epochs = 2, ComparedTexts = 5;
const double LearningRate = 5e-4;
const string Instruction = "Answer with the number only.";

try
{
    var data = Environment.GetEnvironmentVariable("NLFT_FIXTURES") ?? Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", "..", "..", "shared");
    return await RunAsync(Arguments.Read(args, data));
}
catch (NlftException exception)
{
    Console.Error.WriteLine(exception.Message);
    return 2;
}

async Task<int> RunAsync(Arguments arguments)
{
    var (path, count, length) = arguments;
    if (!Path.Exists(path))
    {
        Console.WriteLine($"Skipped: there is no {path}; name a model with --model.");
        return 0;
    }
    var clock = Stopwatch.StartNew();
    var greedy = new GenerationOptions { MaximumNewTokens = length };
    var problems = new ProblemGenerator(Seed);
    var (training, validation, test) = (Draw(count), Draw(3 * count / 10), Draw(2 * count));
    var table = new ComparisonTable(Console.Out);

    using var baseModel = LocalModel.Load(path);
    Console.WriteLine($"Base model: {path}");
    var rows = await JudgeAsync(await AnswerAsync(baseModel, training, "training"));
    var heldOut = await JudgeAsync(await AnswerAsync(baseModel, validation, "held-out"));
    await TestAsync("base model", baseModel, null);

    var right = rows.Where(row => row.Polarity == Polarity.Correct).ToList();
    var (goldRows, goldHeldOut) = (training.ConvertAll(Solve), validation.ConvertAll(Solve)); // SFT settles ties by its loss on solutions
    if (right.Count > 0) (await TuneAsync($"SFT, {right.Count} right answers", new LikelihoodObjective(), right, goldHeldOut)).Dispose();
    (await TuneAsync($"SFT, {goldRows.Count} solutions", new LikelihoodObjective(), goldRows, goldHeldOut)).Dispose();
    using var nlft = await TuneAsync($"NLFT, {rows.Count} judged answers", new NaturalLanguageObjective(), rows, heldOut);
    Console.WriteLine();
    table.Write();

    var file = Path.Combine(Directory.CreateDirectory(Path.Combine(Path.GetTempPath(), "nlft-real-model")).FullName, "word-problems.f32.gguf");
    nlft.SaveGguf(file, new() { Type = GgufType.F32, Overwrite = true });
    Console.WriteLine($"\nTuned by NLFT and written: {file}, {new FileInfo(file).Length >> 20} MiB");
    var same = SameTexts(nlft, file);
    using var process = Process.GetCurrentProcess();
    var (time, processors, work) = (clock.Elapsed, Environment.ProcessorCount, process.TotalProcessorTime);
    Console.WriteLine($"Total time {time:h\\:mm\\:ss}, processor time {work:h\\:mm\\:ss} on {processors} processors.");
    Console.WriteLine($"Peak memory {process.PeakWorkingSet64 >> 20} MiB.");
    return same ? 0 : 1;

    List<WordProblem> Draw(int number) => [.. problems.Distinct(number, EasyProblems.All)];

    // Asks the model each question once; it takes the likeliest token at every step.
    async Task<List<DataRow>> AnswerAsync(LocalModel model, IReadOnlyList<WordProblem> asked, string kind)
    {
        var progress = new AnswerProgress(kind, greedy.MaximumBatchSize, Console.Out);
        var options = new ResponseOptions { Generation = greedy, QuestionCount = asked.Count, Progress = progress };
        return await ResponseGenerator.GenerateAsync(model, asked.Select(Ask).ToAsyncEnumerable(), options).Select(one => one.Row).ToListAsync();
    }

    async Task TestAsync(string name, LocalModel model, FineTuneResult? result)
    {
        var answers = await AnswerAsync(model, test, $"test, {name}");
        table.Add(name, ExactMatchEvaluator.Evaluate([.. answers.Select(row => row.Response)], [.. answers.Select(row => row.Answer!)]), result);
    }

    // Trains a fresh adapter, keeps the weights of the epoch that answers most held-out questions, and tests it.
    async Task<LocalModel> TuneAsync(string name, ITokenObjective objective, IReadOnlyList<DataRow> on, IReadOnlyList<DataRow> validated)
    {
        var model = LocalModel.Load(path, new() { Trainable = TrainableWeights.Lora });
        var options = new FineTuneOptions
        {
            Epochs = Epochs, LearningRate = LearningRate, Refresh = ContextRefresh.Once,
            Validation = new()
            {
                Measure = ValidationMeasure.Accuracy, GeneratedRows = validated.Count, MaximumNewTokens = length, SampleAnswers = 1,
            },
        };
        var result = model.FineTune([.. on.Select(row => row.ToExample())], objective, options, monitor: new ConsoleReporter(name),
            validation: [.. validated.Select(row => row.ToExample())]);
        Console.WriteLine($"{name}: {result.DescribeValidation()}");
        await TestAsync(name, model, result);
        return model;
    }

    bool SameTexts(LocalModel model, string file)
    {
        if (LlamaSharpModel.Load() is { } fault)
        {
            Console.WriteLine($"The comparison with llama.cpp is left out, for it does not load here: {fault}");
            return true;
        }
        using var theirs = new LlamaSharpModel(file, positions: 512);
        return new TextComparison(model, theirs, Console.Out).Compare([.. test.Take(ComparedTexts).Select(Ask)], greedy);
    }
}

// The judge reads the final number of each answer and compares it with the right one.
static async Task<IReadOnlyList<DataRow>> JudgeAsync(IReadOnlyList<DataRow> answers)
{
    var judged = await new RuleBasedJudge().JudgeAllAsync(answers.ToAsyncEnumerable()).ToSetAsync();
    var judgment = judged.Rows.FirstOrDefault(row => row.Polarity == Polarity.Incorrect)?.Judgment;
    Console.WriteLine($"Judged: {judged.Correct} right, {judged.Incorrect} wrong; the first judgment: {judgment}");
    return judged.Rows;
}

static DataRow Ask(WordProblem problem) => new()
{
    Question = problem.Question, Answer = problem.Answer.ToString(CultureInfo.InvariantCulture), Instruction = Instruction,
};

static DataRow Solve(WordProblem problem) => Ask(problem) with { Response = problem.Solve().Text };

static string ThisFile([CallerFilePath] string path = "") => path;
