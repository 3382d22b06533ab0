using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.ModelFiles;
using Microsoft.ML.Nlft.Objectives;

namespace Microsoft.ML.Nlft.Docs;

/// <summary>What docs/take-it-away.md says that other programs find in a merged folder.</summary>
[TestClass]
public sealed partial class TakeItAwayTests : Workplace
{
    [TestMethod]
    public void MergedFolder_OnnxModelBuilder_FindsWhatItReads()
    {
        using (var model = LocalModel.Load("model", new() { Trainable = TrainableWeights.Lora }))
        {
            model.FineTune(DataFile.ReadExamples("rows.jsonl"), new NaturalLanguageObjective(), new() { Epochs = 1, LearningRate = 1e-3 });
            using var folder = ModelFolder.Open("model");
            model.ExportAdapter().MergeInto(folder, "merged");
        }
        var section = OnnxSection().Match(File.ReadAllText(Path.Combine(Pages.Root, "docs", "take-it-away.md"))).Value;
        var rows = section.Split('\n').Where(line => line.StartsWith("| `", StringComparison.Ordinal)).Select(line => line.Split('|')).ToList();
        Assert.HasCount(4, rows, "the table of the page");
        foreach (var row in rows)
        {
            foreach (var file in Code().Matches(row[1]).Select(match => match.Groups[1].Value))
            {
                Assert.IsTrue(File.Exists(Path.Combine("merged", file)), file);
                if (Path.GetExtension(file) != ".json") continue;
                var json = JsonElement.Parse(File.ReadAllText(Path.Combine("merged", file)));
                foreach (var key in Code().Matches(row[2]).Select(match => match.Groups[1].Value))
                    Assert.IsTrue(json.TryGetProperty(key, out _), $"{file}: {key}");
            }
        }

        using var merged = ModelFolder.Open("merged");
        using var source = ModelFolder.Open("model");
        CollectionAssert.AreEqual(source.TensorNames.Order().ToList(), merged.TensorNames.Order().ToList(), "the base model's names, no adapter");
        Assert.IsFalse(File.ReadAllBytes("merged/model.safetensors").AsSpan().SequenceEqual(File.ReadAllBytes("model/model.safetensors")),
            "and the weights are the trained ones");
    }

    [GeneratedRegex(@"^## ONNX Runtime GenAI\n(.*?)^## ", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex OnnxSection();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Code();
}
