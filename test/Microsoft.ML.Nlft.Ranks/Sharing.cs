using System.Diagnostics;
using System.Globalization;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Distributed;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.Feedback;

namespace Microsoft.ML.Nlft.Ranks;

/// <summary>
/// Answers or judges rows on all ranks. Options as name=value: rows, journal, output (one file per rank: <c>output.rank</c>), model, data, chunk;
/// slow (the rank that takes 20 ms more per row), killed (the rank that is killed) and after (its number of judged rows, or rank 0's number of
/// responses), differs (the rank with other rows).
/// </summary>
internal sealed class Sharing(Communicator ranks, IReadOnlyList<string> arguments)
{
    private readonly Dictionary<string, string> _options = arguments.Select(argument => argument.Split('=', 2))
        .ToDictionary(pair => pair[0], pair => pair[1]);

    /// <summary>Judges the rows and prints how many each rank has judged.</summary>
    public async Task JudgeAsync()
    {
        var judge = new SlowJudge(ranks.Rank == Number("slow", -1) ? 20 : 0, ranks.Rank == Number("killed", -1) ? Number("after", 0) : int.MaxValue);
        var last = new DataProgress { Done = 0, Elapsed = default };
        var options = new JudgingOptions { Journal = _options.GetValueOrDefault("journal"), ChunkSize = Number("chunk", 0),
            Progress = new Listener<DataProgress>(progress => last = progress) };
        var lines = await judge.JudgeAllAsync(Rows(), options).Select(one => $"{one.Row.Question} {one.Verdict.Kind} {one.Row.Judgment}")
            .ToListAsync();
        Write(lines);
        if (ranks.IsFirst) Console.WriteLine($"done {last.Done}, judged {string.Join(' ', last.DoneByProcess)}");
        else CommunicatorChecks.Require(last.Done == 0, "progress was reported on a rank other than 0");
    }

    /// <summary>Generates responses in chunks smaller than a batch.</summary>
    public async Task RespondAsync()
    {
        using var model = LocalModel.Load(_options["model"], new() { Engine = new ManagedEngine(threads: 1) });
        var after = ranks.Rank == Number("killed", -1) ? Number("after", 0) : int.MaxValue;
        var last = new DataProgress { Done = 0, Elapsed = default };
        var options = new ResponseOptions
        {
            SamplesPerQuestion = 2,
            Generation = new() { Temperature = 0.8, MaximumNewTokens = 24, MaximumBatchSize = 4, LogProbabilities = true },
            Journal = _options.GetValueOrDefault("journal"),
            ChunkSize = Number("chunk", 0),
            Progress = new Listener<DataProgress>(progress =>
            {
                last = progress;
                if (progress.Done >= after) Process.GetCurrentProcess().Kill();
            }),
        };
        var lines = new List<string>();
        await foreach (var response in ResponseGenerator.GenerateAsync(model, Rows(), options))
        {
            lines.Add(string.Create(CultureInfo.InvariantCulture,
                $"{response.Question}.{response.Sample} {response.Row.Question} {response.Row.Response} {response.Generated.FinishReason} "
                + $"{string.Join(' ', response.Generated.Tokens)} {response.Generated.LogProbabilities!.Sum():0.0000}"));
        }
        Write(lines);
        if (ranks.IsFirst) Console.WriteLine($"done {last.Done}, responded {string.Join(' ', last.DoneByProcess)}");
    }

    /// <summary>Answers the rows of a view. Rank 0 alone reads the first answer, then all ranks read all answers.</summary>
    public void Transform()
    {
        var mlContext = new MLContext();
        using var model = mlContext.Nlft().LoadBaseModel(_options["model"],
            generation: new() { Temperature = 0.8, MaximumNewTokens = 16, MaximumBatchSize = 4 }, engine: new ManagedEngine(threads: 1));
        var rows = mlContext.Data.LoadFromEnumerable(Rows().ToBlockingEnumerable().Select(row => new Asked { Question = row.Question }));
        var answered = model.Transform(rows);
        // no other process reads here
        var first = !ranks.IsFirst ? null : mlContext.Data.CreateEnumerable<AnsweredQuestion>(answered, reuseRowObject: false).First();
        Write(mlContext.Data.CreateEnumerable<AnsweredQuestion>(answered, reuseRowObject: false)
            .Select(row => $"{row.Question} {row.GeneratedAnswer}"));
        model.Distributed = false;
        var alone = mlContext.Data.CreateEnumerable<AnsweredQuestion>(model.Transform(rows), reuseRowObject: false).First();
        CommunicatorChecks.Require(first is null || first.GeneratedAnswer == alone.GeneratedAnswer,
            "the answer differs from that of a single process");
        if (ranks.IsFirst) Console.WriteLine("transformed");
    }

    private async IAsyncEnumerable<DataRow> Rows()
    {
        await Task.Yield();
        var other = ranks.Rank == Number("differs", -1) ? 1 : 0;
        for (var i = 0; i < Number("rows", 40); i++)
        {
            yield return new DataRow
            {
                Question = $"How much is {i + other} + {i}?",
                Response = $"It is {i}.",
                Answer = $"{i + i % 2}",
                Source = $"row {i + 1}",
            };
        }
    }

    private int Number(string option, int otherwise) => _options.TryGetValue(option, out var text) ? int.Parse(text, CultureInfo.InvariantCulture)
        : otherwise;

    private void Write(IEnumerable<string> lines)
    {
        if (_options.TryGetValue("output", out var path)) File.WriteAllLines($"{path}.{ranks.Rank}", lines);
    }

    /// <summary>Judges by the text only, with a configurable delay.</summary>
    private sealed class SlowJudge(int milliseconds, int dies) : IResponseJudge
    {
        private int _judged;

        public string Name => "slow judge";

        public int MaximumParallelism => 2;

        public async Task<Verdict> JudgeAsync(DataRow row, CancellationToken cancellationToken)
        {
            if (Interlocked.Increment(ref _judged) > dies) Process.GetCurrentProcess().Kill();
            await Task.Delay(2 + milliseconds, cancellationToken);
            return row.Response!.Contains($" {row.Answer}.", StringComparison.Ordinal) ? Verdict.Correct
                : Verdict.Incorrect($"{row.Answer} is right.");
        }
    }

    private sealed class Asked
    {
        public string Question { get; set; } = "";
    }

    private sealed class AnsweredQuestion
    {
        public string Question { get; set; } = "";
        public string GeneratedAnswer { get; set; } = "";
    }
}
