using Microsoft.ML.Nlft.Data;
using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Objectives;
using Microsoft.ML.Nlft.TorchSharp;

namespace Microsoft.ML.Nlft.Tests;

/// <summary>What src/Microsoft.ML.Nlft.TorchSharp/PACKAGE.md shows, in a folder with the sample model and a few rows.</summary>
[TestClass]
[DoNotParallelize] // the folder is the process's current one
public sealed class PackageSnippets
{
    [TestMethod]
    public void PackagePage_Program_Runs()
    {
        var (before, folder) = (Environment.CurrentDirectory, Directory.CreateTempSubdirectory("nlft-package"));
        try
        {
            Environment.CurrentDirectory = folder.FullName;
            Directory.CreateDirectory("model");
            foreach (var file in Directory.GetFiles(Sample("models", "tiny-word-problems")))
                File.Copy(file, Path.Combine("model", Path.GetFileName(file)));
            File.WriteAllLines("rows.jsonl", File.ReadLines(Sample("data", "rows.jsonl")).Take(2));
            Run();
            Assert.IsTrue(LocalModelDescription.Load("tuned").HasAdapter);
        }
        finally
        {
            Environment.CurrentDirectory = before;
            folder.Delete(recursive: true);
        }
    }

    private static void Run()
    {
        #region package
        var options = new LocalModelOptions
        {
            Engine = new TorchSharpEngine(),                                  // the first GPU, or else the CPU
            Trainable = TrainableWeights.Lora,
        };
        using var model = LocalModel.Load("model", options);
        model.FineTune(DataFile.ReadExamples("rows.jsonl"), new NaturalLanguageObjective(), new() { Epochs = 2, LearningRate = 1e-3 });
        model.Save("tuned");
        #endregion
    }

    private static string Sample(params string[] parts)
    {
        var root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", ".."));
        return Path.Combine([root, "samples", .. parts]);
    }

    private static string ThisFile([System.Runtime.CompilerServices.CallerFilePath] string file = "") => file;
}
