using System.Text.Json;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed.Kernels;
using Microsoft.ML.Nlft.Engines.Managed.Layers;
using Microsoft.ML.Nlft.Tests.Objectives;

namespace Microsoft.ML.Nlft.Tests.Engines;

/// <summary>
/// Checks the optimizer and the clipping of the managed engine with golden/objectives/optimisers.json, where PyTorch computed in float64, to 2e-5
/// relative to max(1, |x|).
/// </summary>
[TestClass]
[TestCategory("Conformance")]
public sealed class AdamWGoldenTests
{
    private const string Vectors = "optimisers.json";

    private const double Tolerance = 2e-5;

    private readonly Workers _workers = new(1);

    public static IEnumerable<object[]> Cases => ObjectiveGoldens.Cases(Vectors, c => c.TryGetProperty("optimiser", out var optimiser)
        && optimiser.GetString() switch
        {
            "adamw" => ObjectiveGoldens.HasOnly(c.GetProperty("options"), "lr", "betas", "eps", "weight_decay"),
            "adam" => ObjectiveGoldens.HasOnly(c.GetProperty("options"), "lr", "betas", "eps"), // without decay it is the same
            _ => false,
        });

    public static IEnumerable<object[]> ClippingCases =>
        ObjectiveGoldens.Cases(Vectors, c => c.TryGetProperty("norm_type", out var type) && ObjectiveGoldens.Number(type) == 2);

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Step_GoldenCase_GivesTheParametersOfEveryStep(string id)
    {
        if (ObjectiveGoldens.Find(Vectors, id) is not { } found) return;
        var (options, inputs) = (found.Case.GetProperty("options"), ObjectiveGoldens.Inputs(Vectors));
        var isAdam = found.Case.GetProperty("optimiser").GetString() == "adam";
        double[] betas = options.TryGetProperty("betas", out var given) ? given.Doubles() : [0.9, 0.999];
        var settings = new AdamWOptions
        {
            Beta1 = betas[0],
            Beta2 = betas[1],
            Epsilon = Option("eps", 1e-8),
            WeightDecay = Option("weight_decay", isAdam ? 0 : 0.01),
            MaximumGradientNorm = double.PositiveInfinity,
        };
        var expected = found.Case.GetProperty("after_step").EnumerateObject().Where(part => part.Name is "W" or "v")
            .ToDictionary(part => part.Name, part => ObjectiveGoldens.Rows(part.Value));
        Parameter[] parameters = [.. expected.Keys.Select(name => Parameter(name, inputs.GetProperty($"{name}0")))];
        var optimizer = new AdamW(parameters);
        for (var step = 0; step < expected["W"].Length; step++)
        {
            optimizer.ClearGradients();
            foreach (var parameter in parameters) Gradient(parameter, step).CopyTo(parameter.Gradient, 0);
            optimizer.Step(_workers, settings, options.GetProperty("lr").GetDouble(), optimizer.GradientNorm());
            foreach (var parameter in parameters)
            {
                ObjectiveGoldens.AreClose(expected[parameter.Name][step], EngineSteps.Doubles(parameter.Values), Tolerance,
                    $"{id}: {parameter.Name} after step {step + 1}");
            }
        }

        double Option(string name, double otherwise) => options.TryGetProperty(name, out var value) ? value.GetDouble() : otherwise;

        float[] Gradient(Parameter parameter, int step)
        {
            var problem = inputs.GetProperty(found.Case.GetProperty("problem").GetString()!);
            if (!problem.TryGetProperty("A", out var matrix)) return Floats(problem.GetProperty(parameter.Name)[step]);
            var b = problem.Doubles("b");
            return [.. ObjectiveGoldens.Rows(matrix).Select((row, i) => (float)(row.Zip(parameter.Values, (a, w) => a * w).Sum() - b[i]))];
        }
    }

    /// <summary>With beta1 = 0 the first moment is the clipped gradient.</summary>
    [TestMethod]
    [DynamicData(nameof(ClippingCases))]
    public void Step_GradientsToClip_GivesTheirNormAndWhatIsLeft(string id)
    {
        if (ObjectiveGoldens.Find(Vectors, id) is not { } found) return;
        var gradients = ObjectiveGoldens.Inputs(Vectors).GetProperty("fixed_gradients");
        Parameter[] parameters = [.. ((string[])["W", "v"]).Select(name => Parameter(name, gradients.GetProperty(name)[0]))];
        foreach (var parameter in parameters) parameter.Values.CopyTo(parameter.Gradient, 0);
        var optimizer = new AdamW(parameters);
        var norm = optimizer.GradientNorm();
        ObjectiveGoldens.AreClose([found.Case.GetProperty("total_norm").GetDouble()], [norm], Tolerance, $"{id}: norm");
        optimizer.Step(_workers, new() { Beta1 = 0, MaximumGradientNorm = found.Case.GetProperty("max_norm").GetDouble() }, 0.1, norm);
        foreach (var parameter in parameters)
        {
            var expected = ObjectiveGoldens.Flat(found.Case.GetProperty(parameter.Name));
            ObjectiveGoldens.AreClose(expected, EngineSteps.Doubles(parameter.Moment1), Tolerance, $"{id}: {parameter.Name}");
        }
    }

    private static Parameter Parameter(string name, JsonElement values) =>
        Nlft.Engines.Managed.Layers.Parameter.Create(name, [ObjectiveGoldens.Flat(values).Length], Floats(values), experts: 1, training: true);

    private static float[] Floats(JsonElement values) => Array.ConvertAll(ObjectiveGoldens.Flat(values), x => (float)x);
}
