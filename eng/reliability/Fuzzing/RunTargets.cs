using Microsoft.ML.Nlft.Engines;
using Microsoft.ML.Nlft.Engines.Managed;
using Microsoft.ML.Nlft.Training;

namespace Microsoft.ML.Nlft.Reliability.Fuzzing;

/// <summary>The readers of what a run leaves: checkpoints and saved models.</summary>
internal static class RunTargets
{
    /// <summary>Gets the targets.</summary>
    public static IReadOnlyList<Target> All { get; } =
    [
        new("checkpoint", TinyModel.CheckpointName, [TinyModel.Files.Checkpoint], Framed.MutateCheckpoint,
            folder => CheckpointSummary.Load(Path.Combine(folder, TinyModel.CheckpointName))),
        new("resume", TinyModel.CheckpointName, [TinyModel.Files.Checkpoint], Framed.MutateCheckpoint, folder => TinyModel.Resume(folder)),
        new("nlft", "nlft.json", SeedFiles.Of("nlft"), Json.Mutate, folder =>
        {
            var description = LocalModelDescription.Load(folder);
            description.Save(Path.Combine(folder, "copy"));
        }),
        new("zip", "model.zip", [SavedModel()], ZipBytes.Mutate, folder =>
        {
            var model = Path.Combine(folder, "base");
            TinyModel.PutByteModel(Directory.CreateDirectory(model).FullName);
            var bytes = File.ReadAllBytes(Path.Combine(folder, "model.zip"));
            ModelZip.Unpack([Convert.ToBase64String(bytes).AsMemory()], model, new ManagedEngine(1)).Dispose();
        }),
    ];

    /// <summary>Packs a saved model as ML.NET's zip carries it.</summary>
    private static byte[] SavedModel()
    {
        var place = Directory.CreateTempSubdirectory("nlft-seed-");
        try
        {
            TinyModel.PutByteModel(place.FullName);
            var saved = Path.Combine(place.FullName, "saved");
            using (var model = LocalModel.Load(place.FullName, new()
            {
                Engine = new ManagedEngine(1), Trainable = TrainableWeights.Lora, Lora = new() { Rank = 1, TargetModules = ["up_proj"] },
            }))
            {
                model.Save(saved);
            }
            (LocalModelDescription.Load(saved) with { BaseModelPath = "/models/tiny", BaseModelRelativePath = null }).Save(saved);
            return ZipBytes.Write(Directory.GetFiles(saved).Order(StringComparer.Ordinal)
                .Select(file => (Path.GetFileName(file), File.ReadAllBytes(file))));
        }
        finally
        {
            place.Delete(recursive: true);
        }
    }
}
