using System.Text.Json;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;

namespace Microsoft.ML.Nlft.TestKit;

/// <summary>One folder of golden/llama.</summary>
public sealed class Golden : IDisposable
{
    private readonly JsonDocument _expected;

    public Golden(string name)
    {
        Folder = ModelFolder.Open(Fixtures.Path_("golden", "llama", name));
        Adapter = LoraAdapter.Load(Fixtures.Path_("golden", "llama", name, "adapter"));
        _expected = Fixtures.Json("golden", "llama", name, "expected.json");
        int[] tokens = [.. Root.GetProperty("token_ids").EnumerateArray().Select(id => id.GetInt32())];
        Sequence = new TokenSequence(tokens, Root.GetProperty("prompt_length").GetInt32());
    }

    public ModelFolder Folder { get; }
    public LoraAdapter Adapter { get; }
    public TokenSequence Sequence { get; }
    public JsonElement Root => _expected.RootElement;

    public JsonElement Expected(bool withAdapter) => Root.GetProperty(withAdapter ? "with_adapter" : "without_adapter");

    /// <summary>Reads the AdamW settings of a golden training run.</summary>
    public static AdamWOptions Optimizer(JsonElement training)
    {
        var hyper = training.GetProperty("hyper");
        return new AdamWOptions
        {
            Beta1 = hyper.GetProperty("beta1").GetDouble(),
            Beta2 = hyper.GetProperty("beta2").GetDouble(),
            Epsilon = hyper.GetProperty("epsilon").GetDouble(),
            WeightDecay = hyper.GetProperty("weight_decay").GetDouble(),
            MaximumGradientNorm = hyper.GetProperty("max_gradient_norm").GetDouble(),
        };
    }

    public void Dispose()
    {
        _expected.Dispose();
        Folder.Dispose();
    }
}
