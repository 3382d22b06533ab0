using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.TorchSharp;
using static Microsoft.ML.Nlft.Tests.Models;
using static TorchSharp.torch;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>
/// How many operators and handles a layer needs, as the difference between models of two and of four layers. A small GPU kernel is faster than its
/// launch, so that these numbers bound the speed.
/// </summary>
[TestClass]
[DoNotParallelize]
public class OpCountTests
{
    /// <summary>A layer of a Llama with LoRA on its feed-forward network, as published, and what surrounds the layers.</summary>
    [TestMethod]
    [DataRow(TensorType.F32, 0)]
    [DataRow(TensorType.BF16, 30)] // the norms of the CPU convert, those of a GPU do not
    public void Pass_OfLlama_StaysWithinItsOperators(TensorType type, int conversions)
    {
        RequireLinux();
        var (two, four) = (Phases(2, type, 4), Phases(4, type, 4));
        foreach (var (phase, dispatches, handles, rest) in ((string, long, long, long?)[])
                 [("score", 170, 36, 140), ("forward", 210, 50, 190), ("backward", 350, 48, null), ("step", 0, 0, 60)])
        {
            var layer = OpCount.PerLayer(two[phase], 2, four[phase], 4);
            // The backward pass of the lowest layer is shorter: its input needs no gradient.
            var others = rest is null ? 0 : two[phase].Total - 2 * layer.Dispatches;
            var what = $"{phase}, {type}: {layer.Dispatches} dispatches and {layer.Handles} handles a layer"
                + (rest is null ? "" : $", {others} dispatches beside the layers");
            Console.WriteLine(what);
            Assert.IsTrue(layer.Dispatches <= dispatches + conversions && layer.Handles <= handles && others <= (rest ?? 0) + conversions,
                $"{what}; two layers: {OpCount.Difference(two[phase], four[phase])}");
        }
    }

    /// <summary>The output layer takes as many launches for each chunk of the vocabulary, there and back, whatever the number of rows.</summary>
    [TestMethod]
    [DataRow(TensorType.F32)]
    [DataRow(TensorType.BF16)]
    public void Head_OfAChunk_StaysWithinItsOperators(TensorType type)
    {
        RequireLinux();
        using var folder = TinyModels.Create(1, TinyModels.Configuration with { VocabularySize = 4096, LayerCount = 1, SlidingWindows = [0] });
        using var model = (TorchLanguageModel)Load(folder, engine: Engine(type: type), lora: new());
        var (two, four) = (Counts(4096), Counts(8192)); // chunks of 2^23 logits
        foreach (var (phase, bar, rest) in ((string, int, int)[])[("forward", 55, 25), ("backward", 50, 20)])
        {
            var chunk = (four[phase].Total - two[phase].Total) / 2;
            var what = $"{phase}, {type}: {chunk} dispatches a chunk and {two[phase].Total - 2 * chunk} beside them";
            Console.WriteLine(what);
            Assert.IsTrue(chunk <= bar && two[phase].Total - 2 * chunk <= rest, what);
        }

        Dictionary<string, OpCount> Counts(int rows)
        {
            using var scope = NewDisposeScope();
            using var off = no_grad();
            var h = randn([rows, folder.Configuration.HiddenSize], type == TensorType.F32 ? float32 : bfloat16, Models.Device);
            var asked = zeros([rows, 1], int64, Models.Device);
            Dictionary<string, OpCount> counts = [];
            for (var round = 0; round < 2; round++)
            {
                Tensor results = null!;
                counts["forward"] = OpCount.Of(() => results = model.Network.Head.Forward(h, asked, 0));
                counts["backward"] = OpCount.Of(() => model.Network.Head.Backward(h, asked, results.narrow(1, 1, 1), ones([rows, 1])).Dispose());
            }
            return counts;
        }
    }

    /// <summary>Sequences of one length take one launch of each operator, however many they are.</summary>
    [TestMethod]
    public void Pass_OfMoreSequences_TakesAsManyOperators()
    {
        RequireLinux();
        var (few, many) = (Phases(2, TensorType.F32, 2), Phases(2, TensorType.F32, 8));
        foreach (var phase in few.Keys)
            Assert.AreEqual((few[phase].Total, few[phase].Handles), (many[phase].Total, many[phase].Handles), phase);
    }

    /// <summary>Nothing in a pass waits for the device but the copies of its results; a step waits for the norm.</summary>
    [TestMethod]
    public void Pass_OfLlama_ReadsNothingFromTheDeviceOnItsWay()
    {
        RequireLinux();
        var phases = Phases(2, TensorType.BF16, 4);
        string[] reading = ["aten::_local_scalar_dense", "aten::item", "aten::is_nonzero", "aten::nonzero", "aten::equal", "aten::masked_select"];
        foreach (var phase in (string[])["score", "forward", "backward"])
        {
            var found = reading.Where(phases[phase].Dispatches.ContainsKey).ToArray();
            Assert.IsEmpty(found, $"{phase}: {string.Join(", ", found)}");
        }
    }

    /// <summary>A token of every sequence takes one launch of each operator, and the choice of the tokens too.</summary>
    [TestMethod]
    public void Token_OfOneSequenceOrSixteen_TakesAsManyOperators()
    {
        RequireLinux();
        var (two, four, many) = (Token(2, 1), Token(4, 1), Token(2, 16));
        var layer = OpCount.PerLayer(two, 2, four, 4);
        var what = $"{layer.Dispatches} dispatches and {layer.Handles} handles a layer, "
            + $"{two.Total - 2 * layer.Dispatches} dispatches beside the layers";
        Console.WriteLine(what);
        Assert.IsTrue(layer.Dispatches <= 180 && layer.Handles <= 48, $"{what}; two layers: {OpCount.Difference(two, four)}");
        Assert.AreEqual((two.Total, two.Handles), (many.Total, many.Handles));
        foreach (var (temperature, bar) in ((double, int)[])[(0, 25), (1, 90)])
        {
            var (one, sixteen) = (Choice(1, temperature), Choice(16, temperature));
            Console.WriteLine($"{one.Total} dispatches for a choice at temperature {temperature}");
            Assert.IsLessThanOrEqualTo(bar, one.Total, OpCount.Difference(new(new Dictionary<string, long>(), 0), one));
            Assert.AreEqual(one.Total, sixteen.Total);
        }
    }

    private static OpCount Choice(int sequences, double temperature)
    {
        using var folder = Llama(2);
        using var model = Load(folder, lora: new());
        using var session = (IChoosingSession)model.StartDecoding([.. Enumerable.Repeat<ReadOnlyMemory<int>>(new[] { 1, 2 }, sequences)], 8);
        TokenChoice?[] choices = [.. Enumerable.Repeat((TokenChoice?)new TokenChoice(temperature, 0, 1, 0, 0.5), sequences)];
        OpCount count = null!;
        for (var round = 0; round < 2; round++) count = OpCount.Of(() => session.Choose(choices));
        return count;
    }

    private static OpCount Token(int layers, int sequences)
    {
        using var folder = Llama(layers);
        using var model = Load(folder, lora: new());
        using var session = model.StartDecoding([.. Enumerable.Repeat<ReadOnlyMemory<int>>(Enumerable.Range(1, 20).ToArray(), sequences)], 8);
        OpCount count = null!;
        for (var token = 0; token < 3; token++) count = OpCount.Of(() => session.Append(Enumerable.Repeat(3, sequences).ToArray()));
        return count;
    }

    private static ModelFolder Llama(int layers) => TinyModels.Create(1, TinyModels.Configuration with
    {
        ModelType = "llama", QueryKeyNorm = false, LayerCount = layers, SlidingWindows = new int[layers],
    });

    private static Dictionary<string, OpCount> Phases(int layers, TensorType type, int sequences)
    {
        using var folder = Llama(layers);
        using var model = Load(folder, engine: Engine(type: type), lora: new());
        var random = new Random(3);
        TokenSequence[] batch = [.. Enumerable.Range(0, sequences).Select(s => new TokenSequence(
            Enumerable.Range(0, 30).Select(_ => random.Next(folder.Configuration.VocabularySize)).ToArray(), 16) { DropoutSeed = (ulong)s })];
        var coefficients = batch.Select(sequence => (ReadOnlyMemory<float>)Enumerable.Repeat(0.1f, sequence.ResponseLength).ToArray()).ToArray();
        Dictionary<string, OpCount> counts = [];
        for (var round = 0; round < 3; round++) // the first ones allocate and compile
        {
            counts["score"] = OpCount.Of(() => model.Score(batch));
            IForwardPass? pass = null;
            counts["forward"] = OpCount.Of(() => pass = model.Forward(batch));
            counts["backward"] = OpCount.Of(() => pass!.Backward(coefficients));
            pass!.Dispose();
            counts["step"] = OpCount.Of(() => model.ApplyGradients(new AdamWOptions(), 1e-4));
        }
        return counts;
    }

    private static void RequireLinux()
    {
        if (!OperatingSystem.IsLinux()) Assert.Inconclusive("Operators are counted on Linux only.");
    }
}
