using System.Text.Json;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Tests.Training;

/// <summary>One run of golden/trl-sft: what a trainer of TRL was given, and what it logged.</summary>
internal sealed class TrlRun
{
    private const string Missing = "no golden/trl-sft";

    private readonly JsonElement _root;
    private readonly JsonElement _options;

    public TrlRun(string name)
    {
        if (name == Missing) Assert.Inconclusive($"{Missing} under {Fixtures.Root}");
        foreach (var part in (string[])["rows.json", "model", "adapter"])
            if (!Path.Exists(PathOf(part))) Assert.Inconclusive($"{Missing}/{part} under {Fixtures.Root}");
        _root = JsonSerializer.Deserialize<JsonElement>(File.ReadAllBytes(PathOf(name, "expected.json")));
        _options = _root.GetProperty("options");
        (Rows, Windows) = _root.TryGetProperty("packed_batches", out var packed) ? Packed(packed) : Plain();
    }

    /// <summary>The folders of supervised and dynamic fine-tuning, as data rows; one row that skips where there are none.</summary>
    public static IEnumerable<object[]> Names
    {
        get
        {
            object[][] found = [.. Fixtures.Folders("golden", "trl-sft").Where(row => File.Exists(PathOf((string)row[0], "expected.json"))
                && !((string)row[0]).StartsWith("dpo", StringComparison.Ordinal))];
            return found is [] ? [[Missing]] : found;
        }
    }

    /// <summary>The rows; of a packed row each document is one.</summary>
    public EncodedExample[] Rows { get; }

    /// <summary>The rows of every optimizer step of an epoch.</summary>
    public int[][] Windows { get; }

    /// <summary>Optimizer steps.</summary>
    public int Steps => Integer("max_steps");

    /// <summary>Whether all windows of an epoch but the last have the same number of rows, and the last epoch is whole.</summary>
    public bool IsRegular => Steps % Windows.Length == 0 && Windows.SkipLast(1).All(window => window.Length == Windows[0].Length);

    /// <summary>What the trainer logged at every step.</summary>
    public JsonElement[] Series => [.. _root.GetProperty("series").EnumerateArray()];

    /// <summary>Shape, norm, sum and first values of every trained tensor after the last step.</summary>
    public JsonElement FinalParameters => _root.GetProperty("final_parameters");

    public ITokenObjective Objective => Text("loss_type") switch
    {
        "nll" => new LikelihoodObjective(),
        "dft" => new DynamicObjective(),
        var other => throw new InvalidDataException($"unknown loss {other}"),
    };

    public FineTuneOptions Options => new()
    {
        Epochs = (Steps - 1) / Windows.Length + 1,
        BatchSize = Windows[0].Length,
        MicroBatchSize = Math.Min(Integer("per_device_train_batch_size"), Windows[0].Length),
        LearningRate = Number("learning_rate"),
        Schedule = Enum.Parse<LearningRateSchedule>(Text("lr_scheduler_type").Split('_')[0], ignoreCase: true),
        WarmupRatio = Text("lr_scheduler_type") == "constant" ? 0 : Math.Max(0, Integer("warmup_steps") - 0.5) / Steps,
        Reduction = LossReduction.TokenMean,
        Shuffle = false,
        Optimizer = new()
        {
            Beta1 = Number("adam_beta1"),
            Beta2 = Number("adam_beta2"),
            Epsilon = Number("adam_epsilon"),
            WeightDecay = Number("weight_decay"),
            MaximumGradientNorm = Number("max_grad_norm") is > 0 and var norm ? norm : double.PositiveInfinity, // 0 turns it off there
        },
    };

    /// <summary>Loads the model, with the adapter where one is trained.</summary>
    public ICausalLanguageModel Load(IModelEngine engine, ModelFolder folder)
    {
        var hasAdapter = _root.GetProperty("lora").GetBoolean();
        return engine.Load(new ModelLoadOptions
        {
            Folder = folder,
            Adapter = hasAdapter ? LoraAdapter.Load(PathOf("adapter")) : null,
            Trainable = hasAdapter ? TrainableWeights.Lora : TrainableWeights.All,
        });
    }

    private (EncodedExample[] Rows, int[][] Windows) Plain()
    {
        using var file = Fixtures.Json("golden", "trl-sft", "rows.json");
        var (length, onlyCompletion) = (Integer("max_length"), _options.GetProperty("completion_only_loss").GetBoolean());
        EncodedExample[] rows = [.. file.RootElement.EnumerateArray().Take(_root.GetProperty("rows_used").GetInt32()).Select((row, i) =>
        {
            var mask = row.GetProperty("completion_mask").Ints();
            return Row(row.GetProperty("input_ids").Ints()[..Math.Min(length, mask.Length)], t => !onlyCompletion || mask[t] == 1, $"row {i}");
        }).Where(row => row.CountedTokens > 0)];
        var window = Integer("per_device_train_batch_size") * Integer("gradient_accumulation_steps");
        return (rows, [.. Enumerable.Range(0, rows.Length).Chunk(window)]);
    }

    /// <summary>A document begins where the positions begin again; the micro-batches of a window follow one another.</summary>
    private (EncodedExample[] Rows, int[][] Windows) Packed(JsonElement batches)
    {
        var (rows, windows) = (new List<EncodedExample>(), new List<int[]>());
        foreach (var window in batches.EnumerateArray().Chunk(Integer("gradient_accumulation_steps")))
        {
            var first = rows.Count;
            foreach (var packed in window.SelectMany(batch => batch.EnumerateArray()))
            {
                var (ids, labels) = (packed.GetProperty("input_ids").Ints(), packed.GetProperty("labels").Ints());
                int[] starts = [.. packed.GetProperty("position_ids").Ints().Index().Where(pair => pair.Item == 0).Select(pair => pair.Index)];
                foreach (var (start, end) in starts.Zip(starts.Skip(1).Append(ids.Length)))
                    rows.Add(Row(ids[start..end], t => labels[start + t] >= 0, $"document {rows.Count}"));
            }
            windows.Add([.. Enumerable.Range(first, rows.Count - first)]);
        }
        return ([.. rows], [.. windows]);
    }

    /// <summary>The first token has no predecessor and never counts; the prompt ends before the first one that does.</summary>
    private static EncodedExample Row(int[] ids, Func<int, bool> counts, string name)
    {
        bool[] counted = [.. Enumerable.Range(0, ids.Length).Select(t => t > 0 && counts(t))];
        var prompt = Math.Max(1, Array.IndexOf(counted, true));
        return new(Polarity.Correct, ids[prompt..], ids[..prompt], [], [], name) { Counted = counted[prompt..] };
    }

    private static string PathOf(params string[] parts) => Fixtures.Path_(["golden", "trl-sft", .. parts]);

    private string Text(string option) => _options.GetProperty(option).GetString()!;

    private double Number(string option) => _options.GetProperty(option).GetDouble();

    private int Integer(string option) => _options.GetProperty(option).GetInt32();
}
