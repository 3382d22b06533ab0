using System.Reflection;
using Microsoft.ML.TorchSharp;
using static Microsoft.ML.Nlft.TestKit.EngineSteps;
using static Microsoft.ML.Nlft.Tests.Models;
using static TorchSharp.torch;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>
/// Microsoft.ML.TorchSharp in the program of the engine. It was built against an older TorchSharp than the engine's, which takes its place.
/// </summary>
[TestClass]
[DoNotParallelize]
public sealed class MicrosoftMLTorchSharpTests
{
    private const int MemberReferences = 0x0A000000; // the metadata table, ECMA-335 II.22.25

    private static readonly Assembly s_assembly = typeof(TorchSharpCatalog).Assembly;

    /// <summary>A layer of its Roberta and a model of the engine are trained by turns on one libtorch.</summary>
    [TestMethod]
    public void Layer_BesideTheEngine_IsTrainedToo()
    {
        using var folder = TinyModels.Create();
        using var model = Load(folder); // first, since the engine makes libtorch load where libstdc++ is old
        using var scope = NewDisposeScope();
        var type = s_assembly.GetType("Microsoft.ML.TorchSharp.Roberta.Models.Layer", throwOnError: true)!;
        object[] arguments = [2, 16L, 32L, 1e-5, 0.0, 0.0, 0.0]; // heads, widths, epsilon, dropout
        var layer = (nn.Module<Tensor, Tensor, Tensor>)Activator.CreateInstance(type, BindingFlags.Instance | BindingFlags.Public
            | BindingFlags.NonPublic, null, arguments, null)!;
        var (optimizer, x) = (optim.SGD(layer.parameters(), 0.05), randn([2, 5, 16]));
        var (batch, losses, others) = (Batch(14, 5), new List<double>(), new List<double>());
        for (var step = 0; step < 5; step++)
        {
            others.Add(Step(model, batch));
            optimizer.zero_grad();
            var loss = layer.forward(x, zeros([2, 1, 1, 5])).pow(2).mean();
            loss.backward();
            optimizer.step();
            losses.Add(loss.item<float>());
        }
        Assert.IsLessThan(losses[0], losses[^1]);
        Assert.IsLessThan(others[0], others[^1]);
    }

    /// <summary>The one member that TorchSharp no longer has is a function that only object detection calls.</summary>
    [TestMethod]
    public void References_ToTheTorchSharpOfTheEngine_AreThereButInterpolate()
    {
        List<string> missing = [];
        var found = 0;
        for (var number = 1; ; number++)
        {
            try
            {
                s_assembly.ManifestModule.ResolveMember(MemberReferences | number);
                found++;
            }
            catch (ArgumentOutOfRangeException)
            {
                break; // the end of the table
            }
            catch (ArgumentException)
            {
                // a member of a generic type, which cannot be resolved by itself
            }
            catch (Exception exception) when (exception is MissingMemberException or TypeLoadException)
            {
                missing.Add(exception.Message);
            }
        }
        Assert.IsGreaterThan(500, found);
        Assert.HasCount(1, missing, string.Join('\n', missing));
        StringAssert.Contains(missing[0], "Tensor functional.interpolate(");
    }
}
