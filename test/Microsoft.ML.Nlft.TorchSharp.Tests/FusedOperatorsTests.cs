using System.Diagnostics;
using System.Runtime.InteropServices;
using TorchSharp;
using static Microsoft.ML.Nlft.Tests.Models;
using FusedOperators = Microsoft.ML.Nlft.TorchSharp.Layers.FusedOperators;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>The operators that TorchSharp does not wrap, beside what takes their place where libtorch does not compile them.</summary>
[TestClass]
[DoNotParallelize]
public class FusedOperatorsTests
{
    [TestMethod]
    public void Operators_WithoutACompiler_GiveTheSameAndWarnOnce()
    {
        using var listener = new Warnings();
        Trace.Listeners.Add(listener);
        try
        {
            using var scope = torch.NewDisposeScope();
            using var fused = new FusedOperators(1e-5);
            Assert.IsEmpty(listener.Texts);
            using var composed = new FusedOperators(1e-5, _ => throw new ExternalException("no compiler"));
            Assert.HasCount(3, listener.Texts, "a warning for each function");
            StringAssert.Contains(listener.Texts[0], "rms_norm");
            StringAssert.Contains(listener.Texts[0], "no compiler");

            var device = torch.device(Device);
            var (x, w) = (torch.randn([7, 48], device: device), torch.randn([48], device: device));
            AreClose(fused.RmsNorm(x, w), composed.RmsNorm(x, w));
            torch.Tensor q = torch.randn([2, 6, 9, 8], device: device), k = torch.randn([2, 2, 9, 8], device: device);
            var (v, mask) = (torch.randn([2, 2, 9, 8], device: device), torch.ones([9, 9], torch.ScalarType.Bool, device).tril());
            AreClose(fused.Attention(q, k, v), composed.Attention(q, k, v));
            AreClose(fused.Attention(q, k, v, mask), composed.Attention(q, k, v, mask));
            AreClose(fused.Attention(q, k, v), fused.Attention(q, k, v, mask));
            Assert.HasCount(3, listener.Texts, "no further warning");
        }
        finally
        {
            Trace.Listeners.Remove(listener);
        }
    }

    /// <summary>Both compute sums of at most 48 products in float32.</summary>
    private static void AreClose(torch.Tensor expected, torch.Tensor actual) => Assert.IsLessThan(1e-5f, (expected - actual).abs().max().ToSingle());

    private sealed class Warnings : TraceListener
    {
        public List<string> Texts { get; } = [];

        public override void Write(string? message)
        {
        }

        public override void WriteLine(string? message) => Texts.Add(message ?? "");
    }
}
